"""A field to write in: what each key does to it."""

from __future__ import annotations

from tui.viewmodel.text_field import TextField


def after(field: TextField, *keys: str) -> TextField:
    for key in keys:
        changed = field.pressed(key, key if len(key) == 1 else None)
        assert changed is not None, key
        field = changed
    return field


def test_letters_stand_at_the_caret() -> None:
    field = after(TextField("name"), *"cat", "left", "left", "o")
    assert (field.value, field.at) == ("coat", 2)
    assert after(field, "home", "x", "end", "y").value == "xcoaty"


def test_taking_away_before_and_behind_the_caret() -> None:
    field = TextField("name", "coat", 2)
    assert after(field, "backspace").value == "cat"
    assert after(field, "delete").value == "cot"
    assert after(field, "ctrl+u") == TextField("name", "", 0)
    assert after(TextField("name", "x", 0), "backspace", "left").value == "x"


def test_no_control_character_and_no_more_than_it_takes() -> None:
    assert TextField("name").typed("a\x1b[2J\nb").value == "a[2Jb"
    assert TextField("name", most=3).typed("abcdef").value == "abc"


def test_only_a_field_of_lines_breaks_them() -> None:
    assert after(TextField("note", lines=True), "a", "ctrl+j", "b").value == "a\nb"
    assert TextField("name").pressed("ctrl+j", None) is None


def test_a_key_of_something_else_is_none_of_its() -> None:
    assert TextField("name").pressed("f2", None) is None
