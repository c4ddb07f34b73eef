{
  description = "Short-lived AWS credentials, and commands that run with secrets";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      each = made: nixpkgs.lib.genAttrs systems (system: made nixpkgs.legacyPackages.${system});
      line = builtins.match ".*__version__ = \"([^\"]+)\".*" (builtins.readFile ./src/dsops/version.py);
    in
    {
      packages = each (pkgs: {
        default = pkgs.python3Packages.buildPythonApplication {
          pname = "dsops";
          version = builtins.head line;
          pyproject = true;
          src = ./.;
          build-system = [ pkgs.python3Packages.hatchling ];
          dependencies = with pkgs.python3Packages; [ botocore prompt-toolkit pycurl pyyaml rich urllib3 ];
          # nixpkgs has one version of each; dsops itself does without a pycurl that is too old.
          pythonRelaxDeps = true;
          nativeBuildInputs = [ pkgs.installShellFiles ];
          # The tests of the repository need packages that nixpkgs doesn't have in the pinned versions.
          doCheck = false;
          pythonImportsCheck = [ "dsops.__main__" ];
          postInstall = ''
            echo nix > "$(echo $out/${pkgs.python3.sitePackages}/dsops-*.dist-info)/INSTALLER"
          '';
          postFixup = ''
            for shell in bash zsh fish; do $out/bin/dsops completion $shell > dsops.$shell; done
            installShellCompletion dsops.bash dsops.zsh dsops.fish
            $out/bin/dsops help --man > dsops.1
            for command in $(sed -n 's/^\.BR dsops\\-\([a-z]*\) .*/\1/p' dsops.1); do
              $out/bin/dsops help --man $command > dsops-$command.1
            done
            installManPage dsops*.1
          '';
          meta = {
            description = "Short-lived AWS credentials, and commands that run with secrets";
            license = pkgs.lib.licenses.mit;
            mainProgram = "dsops";
          };
        };
      });
    };
}
