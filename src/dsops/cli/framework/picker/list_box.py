"""Draws a list below the cursor, filters it by what the user types, and returns what the user chooses."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Size
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import BufferControl, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output.color_depth import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.utils import get_cwidth

from dsops.cli.framework.picker.matcher import Action, Matcher, Picked
from dsops.runtime import DANGER, Choice
from dsops.text import clean

_MOST_ROWS = 12
_MARGINS = 4
"""The columns before a name, and between name and detail."""

_SHORTEST_DETAIL = 12
"""The minimum number of columns for a detail. In less space, only the first word of the detail is shown."""

_DANGER_STYLE = "fg:ansired bold"
_ESCAPE_SECONDS = 0.05
"""How long to wait after Esc for the rest of a key's escape sequence, such as that of an arrow key."""

_ENDING = ("SIGTERM", "SIGHUP", "SIGQUIT")


class Ending(Exception):
    """Raised for a signal that ends the process; the signal is sent again once the terminal is restored."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class ListBox:
    """The state of an open list: the choices, the text that filters them, and the selected row."""

    def __init__(
        self,
        question: str,
        matcher: Matcher,
        *,
        with_session: Collection[Choice] = (),
        takes_several: bool = False,
        is_utf8: bool,
    ) -> None:
        self._matcher = matcher
        self._with_session = frozenset(with_session)
        self._takes_several = takes_several
        self._is_utf8 = is_utf8
        self._marked: set[int] = set()
        self._found = matcher.matching("")
        self._selected = 0
        self._first = 0
        self._names = max((get_cwidth(self._shown(choice.name)) for choice in matcher.choices), default=0)
        self._buffer = Buffer(multiline=False, on_text_changed=self._filter)
        self._application: Application[Picked]
        self._question = self._shown(question)

    def show(self, descriptor: int) -> Picked:
        """Show the list until the user chooses. Raises KeyboardInterrupt if the user chooses nothing."""
        encoding = "utf-8" if self._is_utf8 else "ascii"
        with ExitStack() as stack:
            keyboard = stack.enter_context(open(descriptor, encoding=encoding, errors="replace", closefd=False))
            screen = stack.enter_context(open(descriptor, "w", encoding=encoding, errors="replace", closefd=False))

            def size() -> Size:
                try:
                    columns, rows = os.get_terminal_size(descriptor)
                except OSError:
                    columns, rows = 0, 0
                return Size(rows or 24, columns or 80)

            # The cursor position is not requested: on a terminal that does not answer, prompt_toolkit shows a warning.
            output = Vt100_Output(
                screen,
                size,
                term=os.environ.get("TERM"),
                default_color_depth=ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else ColorDepth.DEPTH_4_BIT,
                enable_bell=False,
                enable_cpr=False,
            )
            output.write_raw("\r\x1b[K")  # removes the echo of keys that were typed before the list was visible
            self._application = Application(
                Layout(self._layout()),
                key_bindings=self._keys(),
                input=Vt100Input(keyboard),
                output=output,
                erase_when_done=True,
            )
            self._application.ttimeoutlen = self._application.timeoutlen = _ESCAPE_SECONDS
            with _terminated(self._application):
                return self._application.run()

    def _layout(self) -> HSplit:
        before = BeforeInput(f"{self._question}> ")
        return HSplit(
            [
                Window(BufferControl(self._buffer, input_processors=[before]), height=1),
                Window(FormattedTextControl(self._rows), height=self._height),
                Window(FormattedTextControl(self._help), height=1, style="dim"),
            ]
        )

    def _height(self) -> int:
        """Return the number of rows of the list. It does not change while the user types, so that nothing jumps."""
        rows = self._application.output.get_size().rows - 2
        return max(1, min(_MOST_ROWS, rows, len(self._matcher.choices)))

    def _rows(self) -> StyleAndTextTuples:
        height = self._height()
        self._first = min(max(self._first, self._selected - height + 1), self._selected)
        columns = self._application.output.get_size().columns
        width = min(self._names, columns // 2)
        fragments: StyleAndTextTuples = []
        for row, index in enumerate(self._found[self._first : self._first + height], self._first):
            choice, is_selected = self._matcher.choices[index], row == self._selected
            name, detail = self._shown(choice.name), self._shown(choice.detail)
            padded = name + " " * (width - get_cwidth(name))
            style = f"{'reverse' if is_selected else ''} {_DANGER_STYLE if choice.detail.startswith(DANGER) else ''}"
            if self._takes_several:
                padded = f"{'*' if index in self._marked else ' '} {padded}"
            fragments.append((style, f"{'>' if is_selected else ' '} {padded}"))
            room = columns - get_cwidth(padded) - _MARGINS
            fragments.append(("" if is_selected else "dim", f"  {_fitted(detail, room)}\n"))
        if not fragments:
            fragments.append(("", "  no match\n"))
        return fragments

    def _help(self) -> str:
        """The number of matches and the keys, without the keys for which the terminal is too narrow."""
        before = f"  {len(self._found)}/{len(self._matcher.choices)}  "
        keys = ["Esc: cancel", "Enter: use"]
        if self._takes_several:
            before = f"  {len(self._found)}/{len(self._matcher.choices)}, {len(self._marked)} marked  "
            keys = ["Esc: cancel", "Tab: mark", "Enter: use", "^A: mark all"]
        if self._with_session:
            keys += ["^O: console", "^Y: export"]
        columns = self._application.output.get_size().columns
        while keys and len(f"{before}{', '.join(keys)}") > columns:
            keys.pop()
        return before + ", ".join([*keys[1:], *keys[:1]])

    def _shown(self, text: str) -> str:
        """Return the text without control characters and characters that the terminal can't show."""
        text = clean(text)
        return text if self._is_utf8 else text.encode("ascii", "replace").decode()

    def _filter(self, _buffer: Buffer) -> None:
        self._found = self._matcher.matching(self._buffer.text)
        self._selected = self._first = 0

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        def bind(names: Sequence[str], handler: Callable[[KeyPressEvent], None]) -> None:
            for name in names:
                keys.add(name, eager=True)(handler)

        def cancel(event: KeyPressEvent) -> None:
            event.app.exit(exception=KeyboardInterrupt())

        def paste(event: KeyPressEvent) -> None:
            # A newline in a pasted text must not confirm the choice, because the pasted text may be further commands.
            self._buffer.insert_text(" ".join(event.data.split()))

        bind(["c-m", "c-j"], self._chooser("use"))
        bind(["escape", "c-c", "c-d", "<sigint>"], cancel)
        bind(["c-z"], lambda event: event.app.suspend_to_background())
        bind(["up", "c-p"], self._mover(lambda _height: -1))
        bind(["down", "c-n", *([] if self._takes_several else ["tab"])], self._mover(lambda _height: 1))
        bind(["pageup"], self._mover(lambda height: -height))
        bind(["pagedown"], self._mover(lambda height: height))
        bind([Keys.BracketedPaste], paste)
        if self._with_session:
            bind(["c-o"], self._chooser("console"))
            bind(["c-y"], self._chooser("export"))
        if self._takes_several:
            bind(["tab"], self._mark)
            bind(["space"], self._mark_or_type)
            bind(["c-a"], self._mark_all)
        return keys

    def _mark(self, event: KeyPressEvent) -> None:
        """Mark the selected choice, or remove its mark, and select the next one."""
        if self._found:
            self._marked ^= {self._found[self._selected]}
            self._mover(lambda _height: 1)(event)

    def _mark_or_type(self, event: KeyPressEvent) -> None:
        """Mark the selected choice, unless the user is typing: then a space separates two words of the filter."""
        if self._buffer.text:
            self._buffer.insert_text(" ")
        else:
            self._mark(event)

    def _mark_all(self, _event: KeyPressEvent) -> None:
        """Mark the choices that match the filter, or remove their marks if all of them have one."""
        found = set(self._found)
        self._marked = self._marked - found if found <= self._marked else self._marked | found

    def _chooser(self, action: Action) -> Callable[[KeyPressEvent], None]:
        def choose(event: KeyPressEvent) -> None:
            if event.app.is_done or not (self._found or self._marked):
                return
            marked = tuple([self._matcher.choices[index] for index in sorted(self._marked)])
            choice = self._matcher.choices[self._found[self._selected]] if self._found else marked[0]
            if action == "use" or choice in self._with_session:
                event.app.exit(result=Picked(choice, action, marked))

        return choose

    def _mover(self, step: Callable[[int], int]) -> Callable[[KeyPressEvent], None]:
        def move(_event: KeyPressEvent) -> None:
            last = max(0, len(self._found) - 1)
            self._selected = min(max(0, self._selected + step(self._height())), last)

        return move


def _fitted(detail: str, room: int) -> str:
    """Shorten the detail to this many columns: first ARNs lose their prefix, then the end is replaced by dots."""
    short = detail.replace("arn:aws:iam::", "")
    for text in (detail, short, "" if room >= _SHORTEST_DETAIL else detail.partition(" ")[0].rstrip(":")):
        if text and get_cwidth(text) <= room:
            return text
    if room < _SHORTEST_DETAIL:
        return ""
    while get_cwidth(short) > room - 3:
        short = short[:-1]
    return f"{short}..."


@contextmanager
def _terminated(application: Application[Picked]) -> Iterator[None]:
    """Restore the terminal's settings before a signal ends the process."""
    before = {}
    if threading.current_thread() is threading.main_thread():

        def end(number: int, _frame: object) -> None:
            if application.is_running and not application.is_done:
                application.exit(exception=Ending(number))

        for name in _ENDING:
            number = getattr(signal, name)
            if signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield
    except Ending as ending:
        signal.signal(ending.number, signal.SIG_DFL)
        os.kill(os.getpid(), ending.number)
        raise KeyboardInterrupt from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
