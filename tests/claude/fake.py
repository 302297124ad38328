#!/usr/bin/env python3
"""A client that does what its last argument says, as Claude Code would: a list of steps in JSON."""

import datetime
import json
import os
import signal
import sys
import urllib.error
import urllib.request

HOME = os.environ["HOME"]


def settings():
    """What --settings says, as the client reads it: the last counts."""
    found = None
    arguments = sys.argv[1:]
    for at, argument in enumerate(arguments):
        if argument == "--settings":
            found = arguments[at + 1]
    if found is None:
        return {}
    return json.loads(found if found.startswith("{") else open(found).read())


def base():
    """Where requests go: settings override the environment."""
    return settings().get("env", {}).get("ANTHROPIC_BASE_URL") or os.environ["ANTHROPIC_BASE_URL"]


def ask(step):
    """Sends a request; what came back, with its status."""
    body = {
        "model": step.get("model", "claude-haiku-4-5"),
        "max_tokens": step.get("max_tokens", 8000),
        "messages": [{"role": "user", "content": step.get("text", "Hello.")}],
    }
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    if os.environ.get("ANTHROPIC_API_KEY"):
        headers["x-api-key"] = os.environ["ANTHROPIC_API_KEY"]
    if "session" in step:
        headers["x-claude-code-session-id"] = step["session"]
    if "agent" in step:
        headers["x-claude-code-agent-id"] = step["agent"]
    url = step.get("url", base()) + "/v1/messages"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def append(path, value):
    """Adds a line to a file below Claude Code's folder."""
    path = os.path.join(HOME, ".claude", "projects", "-project", path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a") as file:
        file.write(json.dumps(value) + "\n")


def told(step, message):
    """Writes an answer into the transcript, in two lines as a message of two blocks has."""
    session = step["session"]
    name = f"{session}.jsonl"
    if "agent" in step:
        name = f"{session}/subagents/{step.get('folder', '')}agent-{step['agent']}.jsonl"
    line = {
        "type": "assistant",
        "timestamp": step.get("at") or datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "cwd": os.getcwd(),
        "sessionId": session,
        "message": {key: message[key] for key in ("id", "model", "usage")},
    }
    append(name, line)
    append(name, line)


def main():
    for step in json.loads(sys.argv[-1]):
        do = step["do"]
        if do == "show":
            shown = {"arguments": sys.argv[1:-1], "environment": dict(os.environ), "settings": settings()}
            print(json.dumps(shown))
        elif do == "ask":
            status, answer = ask(step)
            if status == 200 and "session" in step:
                told(step, answer)
            print(json.dumps({"status": status, "answer": answer}))
        elif do == "append":
            append(step["path"], step["line"])
        elif do == "hook":
            # As the client tells its hooks of a session.
            for hooks in settings()["hooks"]["SessionStart"]:
                for hook in hooks["hooks"]:
                    pipe = os.popen(hook["command"], "w")
                    pipe.write(json.dumps({"session_id": step["session"]}))
                    pipe.close()
        elif do == "launch":
            # As the launch gate writes down what it decided.
            path = os.path.join(os.environ["FLYBALL_LAUNCHES"], step["record"]["tool_use_id"])
            with open(path + ".json", "w") as file:
                json.dump(step["record"], file)
        elif do == "wait":
            # Until a signal comes; then it ends with a code of its own.
            signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
            signal.pthread_sigmask(signal.SIG_BLOCK, signals)
            print("ready", flush=True)
            print(json.dumps({"signal": signal.sigwait(signals)}), flush=True)
            sys.exit(40)
        elif do == "exit":
            sys.exit(step["code"])
        elif do == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        sys.stdout.flush()


main()
