"""Does what each line of standard input asks for with the official SDK, and says what came of it.

A line is `{"do", "url", "headers", "text"}`, an answer a line of JSON.
"""

import json
import sys

import anthropic

MODEL = "claude-haiku-5-5"
LOOK = {
    "name": "look",
    "description": "Looks at a part",
    "input_schema": {"type": "object", "properties": {"part": {"type": "integer"}}},
}


def shown(message):
    return {
        "stop_reason": message.stop_reason,
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "output_tokens": message.usage.output_tokens if message.usage else None,
    }


def asked(order, **more):
    return {
        "model": MODEL,
        "max_tokens": 900,
        "messages": [{"role": "user", "content": order["text"]}],
        **more,
    }


def ask(client, order):
    return shown(client.messages.create(**asked(order)))


def stream(client, order):
    seen = ""
    with client.messages.stream(**asked(order)) as events:
        for text in events.text_stream:
            seen += text
        return {**shown(events.get_final_message()), "seen": seen}


def tools(client, order):
    request = asked(order, tools=[LOOK])
    first = client.messages.create(**request)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "all is well"}
        for block in first.content
        if block.type == "tool_use"
    ]
    request["messages"] += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": results},
    ]
    called = [block.input for block in first.content if block.type == "tool_use"]
    second = client.messages.create(**request)
    return {**shown(second), "first": first.stop_reason, "called": called}


def count(client, order):
    messages = asked(order)["messages"]
    return {"tokens": client.messages.count_tokens(model=MODEL, messages=messages).input_tokens}


DO = {"ask": ask, "stream": stream, "tools": tools, "count": count}


def failure(error):
    return {
        "error": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "message": str(error),
    }


for line in sys.stdin:
    order = json.loads(line)
    client = anthropic.Anthropic(
        api_key="any", base_url=order["url"], default_headers=order["headers"]
    )
    try:
        told = DO[order["do"]](client, order)
    except Exception as error:  # whatever a caller would meet
        told = failure(error)
    print(json.dumps(told), flush=True)
