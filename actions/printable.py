"""Text that others wrote, made harmless to show: nothing in it can move the cursor, reorder letters or break a line."""


def printable(text: str, limit: int = 300) -> str:
    r"""Return *text* on one line of at most *limit* characters.

    Control characters, line breaks and the invisible ones that reorder or hide letters become escapes such as `\x1b`.
    """
    shown = "".join(_shown(character) for character in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def printable_lines(text: str) -> list[str]:
    """Return the lines of *text*, each as `printable` shows it, uncut."""
    return [printable(line, limit=10 * len(line) + 1) for line in text.replace("\r\n", "\n").split("\n")]


def sentence(words: str) -> str:
    """Return *words* with a capital at the beginning; names inside keep their letters."""
    return f"{words[:1].upper()}{words[1:]}"


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
