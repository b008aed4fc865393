"""Aliases, types and writable addresses."""

import pytest

from recalld.domain.caller import Caller
from recalld.domain.errors import Denied, Invalid
from recalld.domain.node import ContextType
from recalld.domain.uri import Uri
from recalld.rules.address import (
    check_move,
    check_new_folder,
    check_remove,
    check_write,
    context_type,
    document_at,
    import_root,
    is_message,
    resolve,
)

ANA = Caller(user="ana")
NOW = 1_715_169_600.0  # 2024-05-08 12:00 UTC


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("viking://~", "viking://user/ana"),
        ("viking://~/memories/a.md", "viking://user/ana/memories/a.md"),
        ("viking://session/s1", "viking://user/ana/sessions/s1"),
        ("viking://user/memories/x", "viking://user/ana/memories/x"),
        ("viking://user/memories/langgraph_store", "viking://user/ana/memories/langgraph_store"),
        ("viking://user/peers/bo/memories/x", "viking://user/ana/peers/bo/memories/x"),
        ("viking://user/bob/memories", "viking://user/bob/memories"),
        ("viking://resources/{calendar:today}/n.md", "viking://resources/2024/05/08/n.md"),
        ("viking://resources/{calendar:yw}", "viking://resources/2024/w19"),
        ("viking://resources/{calendar:quarter}", "viking://resources/Q2"),
    ],
)
def test_aliases_become_addresses(text: str, found: str) -> None:
    assert str(resolve(text, ANA, NOW)) == found


def test_a_user_called_like_an_area_keeps_its_own_tree() -> None:
    assert str(resolve("viking://user/memories/x", Caller(user="memories"), NOW)) == "viking://user/memories/x"


@pytest.mark.parametrize(
    "text", ["viking://temp/x", "viking://queue", "viking://nowhere/x", "viking://resources/{calendar:never}"]
)
def test_unknown_scopes_and_variables_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        resolve(text, ANA, NOW)
    assert refused.value.code == "INVALID_URI"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("viking://user/ana/memories/a.md", ContextType.MEMORY),
        ("viking://user/ana/peers/p/memories/a.md", ContextType.MEMORY),
        ("viking://user/ana/sessions/s/messages/m.md", ContextType.MEMORY),
        ("viking://agent/skills/x/SKILL.md", ContextType.SKILL),
        ("viking://resources/memo.md", ContextType.RESOURCE),
    ],
)
def test_the_path_alone_tells_the_type(text: str, kind: ContextType) -> None:
    assert context_type(Uri.parse(text)) is kind


@pytest.mark.parametrize(
    "text",
    [
        "viking://resources/a.md",
        "viking://user/ana/note.md",
        "viking://user/ana/memories/events/a.md",
        "viking://user/ana/memories/profile.md",
        "viking://user/ana/peers/p/memories/x.md",
        "viking://agent/skills/s/SKILL.md",
    ],
)
def test_writable_places(text: str) -> None:
    check_write(Uri.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "viking://",
        "viking://resources",
        "viking://user/ana",
        "viking://user/ana/skills/x.md",
        "viking://user/ana/sessions/s/x.md",
        "viking://user/ana/privacy/x",
        "viking://user/ana/memories",
        "viking://agent/x",
        "viking://agent/unknown/x.md",
        "viking://resources/.relations.json",
        "viking://user/ana/peers/p/resources/x.md",
    ],
)
def test_forbidden_places(text: str) -> None:
    with pytest.raises((Denied, Invalid)):
        check_write(Uri.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "viking://",
        "viking://user",
        "viking://agent",
        "viking://resources",
        "viking://user/ana",
        "viking://user/ana/memories",
    ],
)
def test_namespace_roots_stay(text: str) -> None:
    with pytest.raises(Denied):
        check_remove(Uri.parse(text))


def test_a_subtree_cannot_move_into_itself() -> None:
    with pytest.raises(Invalid):
        check_move(Uri.parse("viking://resources/a"), Uri.parse("viking://resources/a/b"))


def test_session_files_do_not_move() -> None:
    with pytest.raises(Denied):
        check_move(Uri.parse("viking://user/ana/sessions/s"), Uri.parse("viking://resources/s"))


def test_session_directories_cannot_be_created() -> None:
    with pytest.raises(Denied):
        check_new_folder(Uri.parse("viking://user/ana/sessions/s/x"))


def test_imports_go_to_resources_only() -> None:
    assert import_root("viking://~/resources/x", ANA, NOW, "to").parts[2] == "resources"
    with pytest.raises(Invalid):
        import_root("viking://~/memories/x", ANA, NOW, "to")


def test_is_message_follows_from_the_address() -> None:
    assert is_message(Uri.parse("viking://user/ana/sessions/s/messages/m.md"))
    assert not is_message(Uri.parse("viking://user/ana/sessions/s/messages"))


@pytest.mark.parametrize(
    ("address", "document"),
    [
        ("viking://resources/docs/deploy/deploy.md", "viking://resources/docs/deploy.md"),
        ("viking://resources/docs/deploy", "viking://resources/docs/deploy.md"),
        ("viking://resources/deploy/deploy.md", "viking://resources/deploy.md"),
        ("viking://resources/v1.2/v1.2.md", "viking://resources/v1.2.md"),
        ("viking://user/ana/resources/a/a.md", "viking://user/ana/resources/a.md"),
        ("viking://user/ana/resources/a", "viking://user/ana/resources/a.md"),
    ],
)
def test_the_original_keeps_a_document_in_a_directory_of_its_own(address: str, document: str) -> None:
    assert str(document_at(Uri.parse(address))) == document


@pytest.mark.parametrize(
    "address",
    [
        "viking://resources",
        "viking://resources/resources.md",
        "viking://resources/docs/deploy.md",
        "viking://resources/deploy/deploy/intro.md",
        "viking://user/ana/resources",
        "viking://user/ana/resources/resources.md",
        "viking://user/ana/memories/a/a.md",
        "viking://user/ana/skills/a",
        "viking://agent/skills/a/a.md",
    ],
)
def test_no_document_stands_elsewhere(address: str) -> None:
    assert document_at(Uri.parse(address)) is None
