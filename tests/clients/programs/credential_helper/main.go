//go:build tools

// Package main pins AWS's credential helper for IAM Roles Anywhere; `go build` compiles the helper itself.
package main

import _ "github.com/aws/rolesanywhere-credential-helper/cmd"
