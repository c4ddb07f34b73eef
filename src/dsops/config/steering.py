"""Families of environment variables that determine which code a program runs, and which servers it trusts.

These variables are marked when the user reviews a configuration. Such a list is never complete, so dsops does not use
it to permit or refuse variables, with one exception: a shell's hook does not set these variables.
`tests/attack/data/steering_variables.txt` is an independent list that checks this one.
"""

from __future__ import annotations

import re

_PATTERNS = {
    "the dynamic loader": (
        "LD_* DYLD_* GLIBC_* GCONV_PATH LOCPATH NLSPATH MALLOC_* LIBPATH SHLIB_PATH RES_* HOSTALIASES "
        "LOCALDOMAIN TZDIR GETCONF_DIR"
    ),
    "shells": (
        "PATH HOME SHELL ENV IFS PS0 PS1 PS2 PS3 PS4 PWD OLDPWD CDPATH FPATH FIGNORE GLOBIGNORE MODULE_PATH "
        "PROMPT* RPROMPT* TMPDIR TMP TEMP USER LOGNAME USERNAME HISTFILE INPUTRC SHELLOPTS TMOUT "
        "MAILPATH BASH* ZDOTDIR ZSH* FISH_* KSH* XDG_* TERM TERMCAP TERMINFO* USERPROFILE APPDATA "
        "LOCALAPPDATA PROGRAMDATA COMSPEC PATHEXT SYSTEMROOT WINDIR PSMODULEPATH POSIXLY_CORRECT STARSHIP_* "
        # zsh evaluates these variables as arithmetic, which runs a `$(...)` in them.
        "BAUD LISTMAX MENUSCROLL PERIOD REPORTMEMORY REPORTTIME TEXTDOMAIN* DIRENV_* MISE_* ASDF_*"
    ),
    "editors, pagers and helpers": (
        "EDITOR VISUAL PAGER BROWSER MANPAGER MANPATH MANOPT LESS LESS* VIM* EXINIT NVIM* EMACS* *_EDITOR "
        "*_PAGER *_BROWSER *_ASKPASS *_PASSWORD_COMMAND *_CREDENTIAL_HELPER SUDO_* FZF_* RIPGREP_* BAT_* "
        "GREP_* LS_COLORS"
    ),
    "Python": (
        "PYTHON* PYENV* PYPY* VIRTUAL_ENV* CONDA* MAMBA_* PIPENV_* POETRY_* HATCH_* PDM_* TOX_* PYTEST_* "
        "COVERAGE_* NOX* TWINE_* FLASK_APP DJANGO_SETTINGS_MODULE GUNICORN_* JUPYTER_* IPYTHON* SETUPTOOLS_* "
        "MYPY* __PYVENV_*"
    ),
    "pip": "PIP_* PIPX_*",
    "uv": "UV_* UVX_*",
    "Node.js": (
        "NODE* NVM_* COREPACK_* DENO_* BUN_* TS_NODE_* ELECTRON_* V8_* JEST_* VITE_* WEBPACK_* BABEL_* "
        "PLAYWRIGHT_* PUPPETEER_* CYPRESS_*"
    ),
    "npm": "NPM_* YARN_* PNPM_*",
    "Perl": "PERL*",
    "Ruby": "RUBY* BUNDLE_* BUNDLER_* GEM_* RBENV_* RAILS_* RACK_* IRBRC RVM_* RAKEOPT",
    "PHP": "PHP* COMPOSER*",
    "Lua": "LUA_* LUAROCKS_*",
    "Erlang and Elixir": "ERL_* ELIXIR_* MIX_* HEX_* REBAR_*",
    "R": "R_* RPROFILE RENV_*",
    ".NET": "DOTNET_* CORECLR_* COR_* COMPLUS_* NUGET_* MSBUILD*",
    "Java": (
        "JAVA* JDK_* _JAVA_OPTIONS CLASSPATH JVM_* SBT_* SCALA_* KOTLIN_* ANT_* LEIN_* CATALINA_* JBOSS_* "
        "JENKINS_* SPRING_APPLICATION_JSON SPRING_CONFIG_* GROOVY_*"
    ),
    "Maven": "MAVEN_* M2_*",
    "Gradle": "GRADLE_* ORG_GRADLE_*",
    "Go": "GO* CGO_*",
    "Rust": "CARGO_* RUST* SCCACHE_*",
    "compilers and make": (
        "CC CXX CPP AR AS LD NM RANLIB STRIP CFLAGS CXXFLAGS CPPFLAGS LDFLAGS LIBRARY_PATH CPATH "
        "C_INCLUDE_PATH CPLUS_INCLUDE_PATH OBJC_INCLUDE_PATH COMPILER_PATH GCC_* CCACHE_* DISTCC_* CMAKE_* "
        "MAKE* GNUMAKEFLAGS MFLAGS PKG_CONFIG* CONAN_* VCPKG_* NINJA_* MESON_* BAZEL* USE_BAZEL_* CLANG_* "
        "CLASSPATH_* LLVM_* SDKROOT DEVELOPER_DIR"
    ),
    "Git": "GIT_* GITHUB_* GH_* GITLAB_* GLAB_* HUB_* HG* SVN_* CVS_* LEFTHOOK* HUSKY* PRE_COMMIT_* SKIP",
    "SSH and GnuPG": "SSH_* GNUPG* GPG_* RSYNC_* SCP_*",
    "archives": "TAR_OPTIONS TAPE GZIP BZIP* XZ_* ZIPOPT UNZIP* ZSTD_* LZ4_*",
    "proxies": "HTTP_PROXY HTTPS_PROXY ALL_PROXY FTP_PROXY NO_PROXY SOCKS_* *_PROXY",
    "TLS": ("SSL_* SSLKEYLOGFILE OPENSSL_* CURL_* REQUESTS_CA_BUNDLE HTTPLIB2_* WGETRC WGET_* *_CA_BUNDLE *_CACERT"),
    "AWS": "AWS_* BOTO* EKS_* ECS_* SAM_* CDK_* COPILOT_*",
    "Google Cloud": "GOOGLE_* GCLOUD_* CLOUDSDK_* GCE_* GCP_* BIGQUERY_*",
    "Azure": "AZURE_* ARM_* MSI_* IDENTITY_ENDPOINT IDENTITY_HEADER",
    "Terraform": "TF_* TFE_* TERRAGRUNT_* TG_* TOFU_* TFLINT_* PULUMI_* PACKER_* PKR_*",
    "Ansible": "ANSIBLE_* MOLECULE_* PARAMIKO_*",
    "pass and 1Password": "PASSWORD_STORE_* OP_*",
    "Vault and Consul": "VAULT_* CONSUL_* NOMAD_* BOUNDARY_* BAO_* SOPS_*",
    "Kubernetes": "KUBE* HELM_* K9S_* KREW_* ARGOCD_* FLUX_* KIND_* MINIKUBE_* SKAFFOLD_* STERN*",
    "containers": (
        "DOCKER_* COMPOSE_* BUILDX_* BUILDKIT_* BUILDAH_* PODMAN_* CONTAINER_* CONTAINERS_* CONTAINERD_* "
        "REGISTRY_AUTH_FILE SKOPEO_* COSIGN_* TRIVY_* NERDCTL_*"
    ),
    "databases": (
        "PG* PSQL* MYSQL_* MARIADB_* REDISCLI_* SQLITE_* MONGO* ORACLE_* TNS_ADMIN SQLPATH ODBC* LIBPQ_* "
        "DBT_* SNOWFLAKE_* SNOWSQL_* FLYWAY_* LIQUIBASE_* ALEMBIC_*"
    ),
    "package managers": "HOMEBREW_* APT_* DEBIAN_* DEB_* DPKG_* RPM_* NIX_* PACMAN* PACKAGE_* SNAP_* FLATPAK_*",
    "desktops": "DISPLAY WAYLAND_* DBUS_* QT_* GTK_* GIO_* GDK_* GST_* MOZ_* CHROME_* XAUTHORITY SESSION_MANAGER",
    "continuous integration": "CI TRAVIS_* CIRCLE_* BUILDKITE_* RUNNER_* ACTIONS_* BITBUCKET_* DRONE_* TEAMCITY_*",
}

_EXACT: dict[str, str] = {}
_BEGINNINGS: dict[str, str] = {}
_ENDS: dict[str, str] = {}
for _program, _patterns in _PATTERNS.items():
    for _pattern in _patterns.split():
        _family = f"{_program} ({_pattern})"
        if _pattern.endswith("*"):
            _BEGINNINGS[_pattern[:-1]] = _family
        elif _pattern.startswith("*"):
            _ENDS[_pattern[1:]] = _family
        else:
            _EXACT[_pattern] = _family


def steering(variable: str) -> str:
    """Return the program that reads the variable and the variable's family, such as `Python (PYTHON*)`.

    Returns "" for an unknown variable.
    """
    name = variable.upper()
    if name in _EXACT:
        return _EXACT[name]
    # If two families match, the longer prefix wins, since it is more specific: `GOOGLE_*` before `GO*`.
    matches = [beginning for beginning in _BEGINNINGS if name.startswith(beginning)]
    if matches:
        return _BEGINNINGS[max(matches, key=len)]
    return next((family for end, family in _ENDS.items() if name.endswith(end)), "")


# Matches names such as `AWS_SESSION_TOKEN`, `PGPASSWORD` and `TF_VAR_size`, but no variable that only names a source of
# credentials.
_CREDENTIAL = re.compile(
    r"AWS_(?:ACCESS_KEY_ID|CREDENTIAL_EXPIRATION|REGION|DEFAULT_REGION)|TF_VAR_\w+|PG(?:USER|PASSWORD|DATABASE)"
    r"|(?:\w+_)?(?:TOKEN|PASSWORD|PASSWD|PWD|SECRET|SECRET_ID|ROLE_ID|CLIENT_ID|TENANT_ID|API_KEY|ACCESS_KEY|KEY_ID)"
)


def is_credential(variable: str) -> bool:
    """Whether the variable contains a credential. A credential determines a program's identity, not its behaviour."""
    return _CREDENTIAL.fullmatch(variable.upper()) is not None
