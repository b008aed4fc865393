"""The published LangChain integration: retriever, history, recorder, context, store and tools. ``lang_chain.py URL``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_openviking import (
    OpenVikingChatMessageHistory,
    OpenVikingCommitPolicy,
    OpenVikingRetriever,
    OpenVikingSessionContextAssembler,
    OpenVikingSessionRecorder,
    OpenVikingStore,
    create_openviking_tools,
    with_openviking_context,
)
from openviking_sdk import SyncHTTPClient
from steps import finish, step

WHO = {"url": sys.argv[1], "account": "default", "user": "ana"}
TEA = "viking://~/memories/preferences/ana/tea.md"
ov = SyncHTTPClient(**WHO)
ov.initialize()
ov.write(TEA, "Ana prefers oolong tea over coffee at night.", mode="create", wait=True)
ov.write(
    "viking://resources/notes/pump.md", "# Pump\n\nThe pump must be oiled each morning.\n", mode="create", wait=True
)


@step
def retriever():
    documents = OpenVikingRetriever(client=ov, limit=5).invoke("which tea does Ana prefer")
    return [[document.page_content, document.metadata] for document in documents]


@step
def retriever_reads():
    one = OpenVikingRetriever(client=ov, target_uri="viking://resources", content_mode="read", search_mode="search")
    return [document.page_content for document in one.invoke("how often is the pump oiled")]


@step
def retriever_async():
    async def story():
        one = OpenVikingRetriever(**WHO)
        found = await one.ainvoke("which tea does Ana prefer")
        await one.aclose()
        return len(found)

    return asyncio.run(story())


@step
def retriever_default_target():
    """The address its own documentation shows."""
    one = OpenVikingRetriever(client=ov, target_uri="viking://user/memories")
    return [document.page_content for document in one.invoke("which tea does Ana prefer")]


@step
def history():
    chat = OpenVikingChatMessageHistory("lc-1", client=ov)
    chat.add_messages([HumanMessage("We move to Lisbon in March."), AIMessage("Noted.")])
    before = [[m.type, m.content] for m in chat.messages]
    chat.clear()
    return [before, len(OpenVikingChatMessageHistory("lc-1", client=ov).messages)]


@step
def recorder():
    policy = OpenVikingCommitPolicy(mode="always")
    call = {"id": "t1", "name": "ls", "args": {"path": "."}}
    messages = [
        HumanMessage("List the files."),
        AIMessage("", tool_calls=[call]),
        ToolMessage("a.md b.md", tool_call_id="t1", name="ls"),
        AIMessage("There are two files: a.md and b.md."),
    ]
    one = OpenVikingSessionRecorder(client=ov, commit_policy=policy)
    wrote = one.record("lc-2", messages)
    one.flush("lc-2")
    ov.wait_processed()
    return [wrote.messages_written, ov.get_session("lc-2"), ov.get_session_archive("lc-2", "archive_001")["messages"]]


@step
def assembler():
    ov.add_message("lc-3", "user", "The deploy key is in the safe.")
    one = OpenVikingSessionContextAssembler(client=ov)
    return str(one.assemble(session_id="lc-3", query="which tea does Ana prefer"))


@step
def runnable():
    seen = []

    def model(value):
        seen.append(str(value))
        return AIMessage("It is oolong.")

    chain = with_openviking_context(RunnableLambda(model), client=ov, session_id="lc-4")
    answer = chain.invoke([HumanMessage("Which tea does Ana prefer?")], config={"configurable": {"session_id": "lc-4"}})
    return [str(answer), seen[0], ov.get_session("lc-4")["message_count"]]


def stored(**where):
    store = OpenVikingStore(client=ov, **where)
    store.put(("ana", "facts"), "seat", {"text": "Ana prefers the window seat"})
    store.put(("ana", "facts"), "crane", {"text": "The crane is yellow"})
    one = store.get(("ana", "facts"), "seat")
    found = [[item.key, item.value] for item in store.search(("ana",), query="window seat")]
    every = sorted(item.key for item in store.search(("ana", "facts")))
    spaces = store.list_namespaces(prefix=("ana",))
    store.delete(("ana", "facts"), "seat")
    return [one.value, found, every, spaces, store.get(("ana", "facts"), "seat")]


@step
def store_at_its_default():
    return stored()


@step
def store_at_its_full_address():
    return stored(root_uri="viking://user/ana/memories/langgraph_store_two")


tools = {tool.name: tool for tool in create_openviking_tools(client=ov, allow_forget=True)}


def use(tool, **arguments):
    return json.loads(json.dumps(tools[tool].invoke(arguments), default=str))


@step
def tool_names():
    return sorted(tools)


@step
def tool_health():
    return use("viking_health")


@step
def tool_find():
    return use("viking_find", query="which tea does Ana prefer")


@step
def tool_search():
    return use("viking_search", query="pump")


@step
def tool_browse():
    return use("viking_browse", uri="viking://resources")


@step
def tool_read():
    return use("viking_read", uris=["viking://resources/notes/pump.md", TEA])


@step
def tool_grep():
    return use("viking_grep", uri="viking://resources", pattern="oiled")


@step
def tool_store():
    return [use("viking_store", messages="Ana is left-handed.", session_id="lc-5"), ov.get_session("lc-5")]


@step
def tool_add_resource():
    Path("hand.md").write_text("# Handbook\n\nRefunds take thirty days.\n")
    return use("viking_add_resource", path="hand.md", wait=True)


@step
def tool_add_skill():
    return use("viking_add_skill", data="---\nname: brew-tea\ndescription: Brew tea\n---\n\nWarm the pot.\n", wait=True)


@step
def tool_archive_expand():
    return use("viking_archive_expand", session_id="lc-2", archive_id="archive_001")


@step
def tool_archive_search():
    return use("viking_archive_search", session_id="lc-2", query="files")


@step
def tool_forget():
    return [use("viking_forget", uri=TEA), ov.find("oolong")["memories"]]


ov.close()
finish()
