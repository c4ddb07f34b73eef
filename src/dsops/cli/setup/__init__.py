"""Commands that write files or set up a shell: `init`, `import`, `migrate`, `export`, `allow`, `schema`.

In: an old configuration, profiles of ~/.aws/config, or nothing. Out: new or changed files, or text to put into one.
`cli` loads it by the table of commands; no other room imports it.
"""
