"""Builds and checks the artifacts of a release: `make dist` fills dist/, `make verify-dist` tries each of them.

The folder dist/ then has these files, of which two builds of the same commit are the same bytes:

    dsops-VERSION-py3-none-any.whl, dsops-VERSION.tar.gz     for pip, uv and pipx
    dsops-VERSION-py3-none-musllinux_*.whl                   for them on Alpine: docs/decisions/0041-musl.md
    dsops.pyz                                                one file for any Python 3.11 or newer
    dsops.pyz.licenses.txt                                   the licences of everything in it
    dsops_VERSION-1_all.deb, dsops-VERSION-1.noarch.rpm      for Debian, Ubuntu and Fedora; left out without a Go
    dsops.rb                                                 for Homebrew
    ARTIFACT.cdx.json                                        a bill of materials (CycloneDX) for each
    SHA256SUMS                                               of all of these

Nothing of dsops imports this package; the workflows in .github/ and the tests in tests/release/ run it.
"""
