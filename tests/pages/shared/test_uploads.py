"""An uploaded file stays for the session, whatever page is opened meanwhile."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def _script() -> None:
    import streamlit as st

    from core import InputError
    from pages.shared.uploads import uploaded

    def read(data: bytes, name: str) -> str:
        st.session_state["reads"] = st.session_state.get("reads", 0) + 1
        if not data:
            raise InputError(f"{name} is empty. Choose another file.")
        return data.decode()

    if st.toggle("Another page", key="elsewhere"):
        return
    try:
        st.text(f"read: {uploaded('A file', ['txt'], 'given', read)}")
    except InputError as error:
        st.error(str(error))


def _text(app: AppTest) -> list[str]:
    assert not app.exception
    return [one.value for one in (*app.text, *app.error)]


def test_a_file_is_read_once_and_stays():
    app = AppTest.from_function(_script, default_timeout=30).run()
    assert _text(app) == ["read: None"]
    app = app.file_uploader(key="given").set_value(("a.txt", b"hello", "text/plain")).run()
    assert _text(app) == ["read: hello"] and not app.button
    app = app.toggle(key="elsewhere").set_value(True).run()
    app = app.toggle(key="elsewhere").set_value(False).run()
    assert _text(app) == ["read: hello"] and app.markdown[0].value.endswith("uploaded earlier")
    assert app.session_state["reads"] == 1

    app = app.file_uploader(key="given").set_value(("b.txt", b"other", "text/plain")).run()
    assert _text(app) == ["read: other"], "a new file takes the place of the earlier one"
    app = app.toggle(key="elsewhere").set_value(True).run()
    app = app.toggle(key="elsewhere").set_value(False).run()
    app = app.button(key="given_remove").click().run()
    assert _text(app) == ["read: None"] and not app.button


def test_what_is_wrong_with_a_file_is_said_as_long_as_it_stays():
    app = AppTest.from_function(_script, default_timeout=30).run()
    app = app.file_uploader(key="given").set_value(("a.txt", b"", "text/plain")).run()
    app = app.toggle(key="elsewhere").set_value(True).run()
    app = app.toggle(key="elsewhere").set_value(False).run()
    assert _text(app) == ["a.txt is empty. Choose another file."]
    app = app.button(key="given_remove").click().run()
    assert _text(app) == ["read: None"]
