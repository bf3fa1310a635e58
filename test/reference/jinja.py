"""Records what Jinja2, as transformers sets it up for chat templates, makes of the templates of jinja.json.

    python test/reference/jinja.py     # transformers 5.18, Jinja2 3.1.6; rewrites test/reference/jinja.json
"""

import json
import pathlib

from transformers.utils.chat_template_utils import _compile_jinja_template

PLACE = pathlib.Path(__file__).with_name("jinja.json")
MESSAGES = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]


def rendered(template):
    try:
        return _compile_jinja_template(template).render(messages=MESSAGES)
    except Exception:  # every fault of a template counts as a refusal
        return None


cases = [[template, rendered(template)] for template, _ in json.loads(PLACE.read_text())]
lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
PLACE.write_text(f"[\n{lines}\n]\n")
