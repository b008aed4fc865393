"""Messages and types that a memory policy allows."""

from recalld.domain.session import Message
from recalld.domain.uri import Uri
from recalld.rules.memory_policy import TYPES, event_tags, memory_type, read_memory_policy

OWN = Message("a", "user", (), "mine")
PEER = Message("b", "user", (), "theirs", peer_id="mara")


def test_without_a_policy_everything_is_remembered() -> None:
    policy = read_memory_policy(None)
    assert policy.allowed([OWN, PEER]) == (OWN, PEER)
    assert policy.types == frozenset(TYPES)
    assert policy.working


def test_each_side_can_be_switched_off() -> None:
    assert read_memory_policy({"self": {"enabled": False}}).allowed([OWN, PEER]) == (PEER,)
    assert read_memory_policy({"peer": {"enabled": False}}).allowed([OWN, PEER]) == (OWN,)
    assert not read_memory_policy({"working_memory": {"enabled": False}}).working


def test_an_empty_list_of_types_remembers_nothing_and_experiences_bring_what_they_rest_on() -> None:
    assert read_memory_policy({"memory_types": []}).allowed([OWN, PEER]) == ()
    assert read_memory_policy({"memory_types": ["experiences"]}).types == {"experiences", "cases", "trajectories"}


def test_a_commits_tags_win_over_the_sessions_even_when_there_are_none() -> None:
    config = {"memory_extraction_config": {"events": {"tags": ["a=1", "bad"]}}}
    assert event_tags(config, None) == ("a=1",)
    assert event_tags(config, ["b=2"]) == ("b=2",)
    assert event_tags(config, []) == ()
    assert event_tags({}, None) == ()


def test_a_memorys_type_follows_from_its_address() -> None:
    assert memory_type(Uri.parse("viking://user/ana/memories/events/2024/x.md")) == "events"
    assert memory_type(Uri.parse("viking://user/ana/memories/profile.md")) == "profile"
    assert memory_type(Uri.parse("viking://resources/x.md")) == ""
