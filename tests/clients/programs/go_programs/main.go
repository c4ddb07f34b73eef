//go:build tools

// Package main names the programs that tests/contract/test_go_programs.py compiles.
package main

import (
	_ "github.com/99designs/aws-vault/v7"
	_ "github.com/peak/s5cmd/v2"
	_ "github.com/segmentio/chamber/v2"
)
