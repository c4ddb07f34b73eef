"""Commands that write files or set up a shell: `init`, `import`, `migrate`, `export`, `allow`, `schema`.

The input is an old configuration, profiles of ~/.aws/config, or nothing. The output is new or changed files, or text
for such a file. `cli` loads this package by the table of commands; no other package imports it.
"""
