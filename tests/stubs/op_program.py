"""A stand-in for version 2 of the program `op`: `op_program.py FOLDER WORD...`.

It refuses what the real program refuses, as its users report it. The real program reads a template from `-` only
through a pipe (with a file as stdin it misses the category), a Password item needs its `password` field, and a missing
item is an error.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any, NoReturn

VAULTS = {"Private": "vvvvvvvvvvvvvvvvvvvvvvvv01", "Work": "vvvvvvvvvvvvvvvvvvvvvvvv02"}


def fail(text: str) -> NoReturn:
    """End with the program's error message."""
    print(f"[ERROR] 2026/11/28 10:00:00 {text}", file=sys.stderr)
    sys.exit(1)


def main(folder: Path, words: list[str]) -> None:
    """Do what the words say with the items in the folder."""
    items_file, mood_file = folder / "items.json", folder / "mood"
    mood = mood_file.read_text() if mood_file.exists() else ""
    is_pipe = stat.S_ISFIFO(os.fstat(0).st_mode)
    given = sys.stdin.read() if is_pipe else ""
    with (folder / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps({"words": words, "variables": sorted(os.environ), "is_pipe": is_pipe}) + "\n")
    flags = dict(word[2:].partition("=")[::2] for word in words if word.startswith("--"))
    plain = [word for word in words if not word.startswith("--")]
    if plain == ["account", "list"]:
        print("[]" if mood == "no account" else '[{"url": "my.1password.com"}]')
        return
    if mood == "locked":
        fail("You are not currently signed in. Please run `op signin --help` for instructions")
    if mood == "repeats" and given:
        fail(f"unable to process line 1: {given}")
    if mood == "strange":
        print("hello")
        return
    vault = VAULTS.get(flags.get("vault", ""), flags.get("vault", ""))
    if vault not in {"", *VAULTS.values()}:
        fail(f'"{vault}" isn\'t a vault in this account. Specify the vault with its ID or name.')
    items = json.loads(items_file.read_text()) if items_file.exists() else []
    if plain[0] == "read" and "no-newline" in flags:
        read(items, plain[1], mood)
    elif plain == ["item", "list"]:
        shown = [each for each in items if not vault or each["vault"]["id"] == vault]
        print(json.dumps([{name: value for name, value in each.items() if name != "fields"} for each in shown]))
    else:
        items_file.write_text(json.dumps(changed(items, plain, vault, given)))


def read(items: list[dict[str, Any]], reference: str, mood: str) -> None:
    """Print the field of a secret reference."""
    found = [each for each in items if reference == f"op://{each['vault']['id']}/{each['id']}/password"]
    if not found:
        fail(f"could not read secret '{reference}': item not found")
    sys.stdout.write("another" if mood == "forgets" else found[0]["fields"][0]["value"])


def changed(items: list[dict[str, Any]], plain: list[str], vault: str, given: str) -> list[dict[str, Any]]:
    """Return the items after `item create` or `item delete`."""
    if plain[:2] == ["item", "create"]:
        item = created(given if plain[2:] == ["-"] else "")
        item |= {"id": f"i{os.getpid():025}", "vault": {"id": vault or VAULTS["Private"]}}
        print(json.dumps(item))
        return [*items, item]
    if plain[:2] != ["item", "delete"]:
        fail(f"unknown command {plain}")
    left = [each for each in items if (each["id"], each["vault"]["id"]) != (plain[2], vault)]
    if len(left) == len(items):
        fail(f'"{plain[2]}" isn\'t an item. Specify the item with its UUID, name, or domain.')
    return left


def created(given: str) -> dict[str, Any]:
    """Return the item of a template."""
    if not given:
        fail("provide the item category with '--category' flag")
    try:
        item: dict[str, Any] = json.loads(given)
    except ValueError:
        fail("unable to process line 1: invalid JSON in piped input")
    fields = item["fields"]
    if not isinstance(fields, list) or not any(
        field.get("purpose") == "PASSWORD" and field.get("value") for field in fields
    ):
        fail("unable to process line 1: Validation: Password item requires ps value")
    return item


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
