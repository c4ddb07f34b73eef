"""Paths as messages show them."""

from __future__ import annotations

import pytest

from dsops.user_folders import shown_path, with_tilde

HOME = {"HOME": "/home/ada"}


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("/home/ada/.aws/config", "", "~/.aws/config"),
        ("/home/ada", "", "~"),
        ("/home/adam/x", "", "/home/adam/x"),
        ("/srv/app/dsops.yaml", "/srv/app", "dsops.yaml"),
        ("/srv/app/dsops.yaml", "/srv/app/deep", "../dsops.yaml"),
        ("/home/ada/a/dsops.yaml", "/srv/app/deep", "~/a/dsops.yaml"),
        ("/etc/x", "/srv/app/deep/deeper", "/etc/x"),
    ],
)
def test_a_path_has_its_shortest_form(path: str, folder: str, expected: str) -> None:
    """A path is relative to the working folder, begins with `~`, or is absolute, whichever is the shortest."""
    assert shown_path(path, HOME, folder) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ada/x can't be read", "~/x can't be read"),
        ("look: `ls -ld /home/ada/x`", "look: `ls -ld ~/x`"),
        ("it is in /home/ada.", "it is in ~."),
        ("a file (/home/ada/x)", "a file (~/x)"),
        ("`chmod 600 '/home/ada/my file'`", "`chmod 600 '/home/ada/my file'`"),
        ("--config=/home/ada/x", "--config=/home/ada/x"),
        ("/home/ada/x.yaml:3: a: unknown key", "/home/ada/x.yaml:3: a: unknown key"),
        ("/home/adam/x and /srv/home/ada/x", "/home/adam/x and /srv/home/ada/x"),
    ],
)
def test_a_message_has_a_tilde_where_a_shell_expands_it(text: str, expected: str) -> None:
    """The home folder becomes `~` at the start of a word, but not after a quote or `=`, where a shell keeps `~`."""
    assert with_tilde(text, HOME) == expected


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "/"}])
def test_without_a_home_folder_paths_stay(environ: dict[str, str]) -> None:
    """Without a home folder, or with the root folder as home, no path changes."""
    assert (shown_path("/x/y", environ), with_tilde("see /x/y", environ)) == ("/x/y", "see /x/y")
