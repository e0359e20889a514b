"""A small Gradio app with Gradio's own login. `python app.py PORT` serves it."""

import sys
from pathlib import Path
from queue import SimpleQueue

import gradio as gr

PEOPLE = [(name, f"{name}-pass") for name in ("alice", "bob", "carol")]
nudges = SimpleQueue()


def greet_twice(request: gr.Request):
    """Whoever gets the second greeting has nudged after the first: that came while this was still at work."""
    yield f"hello {request.username}"
    nudges.get(timeout=60)
    yield f"hello again {request.username}"


def size_of(path):
    return f"{Path(path).stat().st_size} bytes"


with gr.Blocks(title="Harbor figures", analytics_enabled=False) as app:
    gr.Markdown("Figures for users only")
    greeting = gr.Textbox()
    gr.Button("Greet").click(greet_twice, None, greeting, api_name="greet_twice")
    gr.Button("Nudge").click(lambda: nudges.put(None), None, None, api_name="nudge")
    file = gr.File()
    gr.Button("Measure").click(size_of, file, greeting, api_name="size_of")

app.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), auth=PEOPLE, quiet=True, ssr_mode=False)
