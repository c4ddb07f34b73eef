"""Commands that write files or set up a shell: `init`, `import`, `migrate`, `export`, `allow`, `schema`."""
