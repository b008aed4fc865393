"""The published Python SDK through the quick start, sessions, recall, skills and errors. ``sdk.py URL``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from openviking_sdk import SyncHTTPClient, TextPart, ToolPart
from steps import finish, step

URL = sys.argv[1]
PAGE = "viking://resources/notes/tea.md"
SKILL = "---\nname: brew-tea\ndescription: Brew tea the way Ana likes it\ntags: [tea]\n---\n\nWarm the pot first.\n"
ov = SyncHTTPClient(url=URL, user="ana", account="default", timeout=60)
shared: dict = {}


@step
def initialize():
    return ov.initialize()


@step
def health():
    return [ov.health(), ov.is_healthy()]


@step
def status():
    return [ov.get_status(), ov.queue_status(), ov.vikingdb_status(), ov.models_status()]


@step
def add_file():
    Path("handbook.md").write_text("# Handbook\n\nRefunds take thirty days.\n\n## Cranes\n\nThe crane is yellow.\n")
    return ov.add_resource("handbook.md", wait=True)


@step
def add_directory():
    folder = Path("manual")
    (folder / "src").mkdir(parents=True)
    (folder / "pump.md").write_text("# Pump\n\nThe pump must be oiled each morning.\n")
    (folder / "src" / "oil.py").write_text("def oil():\n    return 'oiled'\n")
    shared["manual"] = ov.add_resource(str(folder), wait=True)
    return shared["manual"]


@step
def add_in_the_background():
    Path("later.md").write_text("# Later\n\nThe lighthouse keeper is called Mira.\n")
    added = ov.add_resource("later.md")
    shared["task"] = added["task_id"]
    return added


@step
def wait_processed():
    return ov.wait_processed()


@step
def task():
    return [ov.get_task(shared["task"]), [t["task_id"] for t in ov.list_tasks(task_type="add_resource")]]


@step
def missing_task():
    return ov.get_task("no-such-task")


@step
def find():
    return ov.find("how often must the pump be oiled")


@step
def find_within():
    return ov.find("oiled", target_uri=["viking://resources"], limit=3, options={"score_threshold": 0.0, "level": [2]})


@step
def ls():
    return ov.ls("viking://resources")


@step
def ls_simple():
    return ov.ls("viking://resources", simple=True)


@step
def ls_page():
    return ov.ls_page("viking://resources", limit=2)


@step
def tree():
    return ov.tree("viking://resources/manual")


@step
def tree_page():
    return ov.tree_page("viking://resources/manual", limit=2)


@step
def tiers():
    return [ov.abstract("viking://resources/manual"), ov.overview("viking://resources/manual")]


@step
def read():
    hit = ov.find("pump oiled", options={"level": [2]})["resources"][0]["uri"]
    return [hit, ov.read(hit), ov.read(hit, offset=2, limit=1), ov.read_raw(hit), ov.download_bytes(hit).decode()]


@step
def grep():
    return ov.grep("viking://resources", "OILED", case_insensitive=True)


@step
def glob():
    return ov.glob("**/*.py", uri="viking://resources")


@step
def write():
    written = ov.write(PAGE, "# Tea\n\nAna drinks oolong at dawn.\n", mode="create", wait=True)
    ov.write(PAGE, "And sencha at noon.\n", mode="append")
    return [written, ov.read(PAGE), ov.stat(PAGE)]


@step
def batch_write():
    root = "viking://resources/batch"
    operations = [{"uri": f"{root}/{name}.md", "content": f"# {name}\n", "mode": "upsert"} for name in "ab"]
    return ov.batch_write(root, operations)


@step
def tags():
    return [ov.set_tags(PAGE, ["kind=drink"]), ov.attrs(PAGE), ov.find("oolong", options={"tags": ["kind=drink"]})]


@step
def folders():
    ov.mkdir("viking://resources/made", description="Things made by hand")
    ov.mv(PAGE, "viking://resources/made/tea.md")
    text = ov.read("viking://resources/made/tea.md")
    ov.rm("viking://resources/made", recursive=True)
    return text


@step
def session():
    one = ov.create_session("sdk-1")
    ov.add_message("sdk-1", "user", "I decided that we move to Lisbon in March.")
    parts = [
        TextPart(text="Noted."),
        ToolPart(tool_id="t1", tool_name="calendar", tool_output="ok", tool_status="completed"),
    ]
    ov.add_message("sdk-1", "assistant", parts=parts)
    added = ov.batch_add_messages("sdk-1", [{"role": "user", "content": "My favourite tea is oolong."}])
    return [one, added, ov.get_session("sdk-1"), ov.session_exists("sdk-1"), ov.session_exists("sdk-none")]


@step
def session_context():
    return ov.get_session_context("sdk-1", token_budget=4000)


@step
def commit():
    did = ov.commit_session("sdk-1")
    ov.wait_processed()
    end = time.monotonic() + 60
    while (task := ov.get_task(did["task_id"]))["status"] not in ("completed", "failed") and time.monotonic() < end:
        time.sleep(0.1)
    archive = did["archive_uri"].rsplit("/", 1)[1]
    return [did, task, ov.get_session_archive("sdk-1", archive), ov.get_session_context("sdk-1")]


@step
def recall():
    return [ov.find("where do we move in March"), ov.search("when do we move", session_id="sdk-1")]


@step
def search_context():
    return ov.search_context("which tea is the favourite", options={"max_tokens": 800})


@step
def session_object():
    one = ov.session("sdk-2")
    one.add_message("user", "hello there")
    return [one.commit(), [s["session_id"] for s in ov.list_sessions()]]


@step
def session_config():
    changed = ov.update_session_config("sdk-2", {"auto_commit_policy": {"message_count_threshold": 50}})
    ov.delete_session("sdk-2")
    return changed


@step
def skill():
    added = ov.add_skill(SKILL, wait=True)
    shown = ov.get_skill("brew-tea", include_content=True)
    checked = ov.validate_skill(SKILL)
    updated = ov.update_skill("brew-tea", SKILL.replace("pot", "cup"), wait=True)
    return [
        added,
        ov.list_skills(),
        ov.find_skills("how to brew tea"),
        shown,
        checked,
        updated,
        ov.delete_skill("brew-tea"),
    ]


@step
def reindex():
    return [ov.reindex("viking://resources/manual"), ov.check_consistency("viking://resources/manual")]


@step
def pack():
    ov.export_ovpack("viking://resources/manual", "manual.ovpack")
    ov.mkdir("viking://resources/again")
    return [
        ov.import_ovpack("manual.ovpack", "viking://resources/again"),
        ov.glob("**/*.md", "viking://resources/again"),
    ]


@step
def snapshot():
    return [ov.snapshot.commit(message="first"), ov.snapshot.log()]


@step
def watches():
    return ov.list_watches()


@step
def read_nothing():
    return ov.read("viking://resources/none.md")


@step
def get_no_session():
    return ov.get_session("sdk-none")


@step
def session_created_twice():
    return ov.create_session("sdk-1")


@step
def created_twice():
    uri = "viking://resources/twice.md"
    ov.write(uri, "once", mode="create")
    return ov.write(uri, "twice", mode="create")


@step
def bad_uri():
    return ov.ls("http://example.org/")


@step
def bad_argument():
    return ov.find("x", options={"tags": ["nope"]})


@step
def not_empty():
    return ov.rm("viking://resources/manual")


@step
def not_allowed():
    return ov.rm("viking://resources", recursive=True)


ov.close()
finish()
