"""100 candidates in 10 independent calls to an endpoint of 0.5 s a reply: ours, and LlamaIndex's LLMRerank."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks._timing import medians
from rerank_plugins import Candidate, arerank, rerank
from rerank_plugins.backends import OpenAIChat
from rerank_plugins.prompts.listwise import listwise_request, parse_order
from rerank_plugins.ranking import Verdict
from rerank_plugins.requests import Steps
from rerank_plugins.testing import ScriptedEndpoint

DELAY_S = 0.5
TEXTS = [f"Passage {number} is about bread and about the number {number}." for number in range(100)]


@dataclass(frozen=True)
class TenBatches:
    """Ranks ten lists of ten on their own: ten calls that do not wait for each other."""

    def steps(self, query: str, candidates: Sequence[Candidate]) -> Steps:
        batches = [range(start, min(start + 10, len(candidates))) for start in range(0, len(candidates), 10)]
        replies = yield [
            listwise_request(
                query,
                [candidates[index].text for index in batch],
                [None] * len(batch),
                "BM25",
                reasoning=False,
                may_cut=True,
            )
            for batch in batches
        ]
        orders = [parse_order(reply, len(batch)).positions for reply, batch in zip(replies, batches, strict=True)]
        return Verdict(
            order=[batch[position] for batch, order in zip(batches, orders, strict=True) for position in order]
        )


def says(request: dict[str, Any]) -> str:
    """A reply that suits both prompts: ours by JSON, LlamaIndex's by lines."""
    prompt = str(request["messages"][-1]["content"])
    if "<document" in prompt:
        return json.dumps({"ranking": list(range(10, 0, -1))})
    count = len(set(re.findall(r"Document (\d+):", prompt)))
    return "\n".join(f"Doc: {number}, Relevance: {number % 10 + 1}" for number in range(1, count + 1))


def peer(base_url: str) -> Any:
    """LlamaIndex's own reranker on the same endpoint, with its defaults."""
    from llama_index.core.llms import ChatMessage, CompletionResponse, CustomLLM, LLMMetadata
    from llama_index.core.postprocessor import LLMRerank
    from openai import AsyncOpenAI, OpenAI

    client, aclient = OpenAI(base_url=base_url, api_key="none"), AsyncOpenAI(base_url=base_url, api_key="none")

    class Endpoint(CustomLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(model_name="scripted")

        def complete(self, prompt: str, formatted: bool = False, **options: Any) -> CompletionResponse:
            reply = client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])
            return CompletionResponse(text=reply.choices[0].message.content or "")

        async def acomplete(self, prompt: str, formatted: bool = False, **options: Any) -> CompletionResponse:
            reply = await aclient.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])
            return CompletionResponse(text=reply.choices[0].message.content or "")

        def stream_complete(self, prompt: str, formatted: bool = False, **options: Any) -> Any:
            raise NotImplementedError

    assert ChatMessage
    return LLMRerank(llm=Endpoint(), choice_batch_size=10, top_n=100)


def main() -> None:
    from llama_index.core.schema import NodeWithScore, TextNode

    nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in TEXTS]
    with ScriptedEndpoint(says, delay_s=DELAY_S) as endpoint:
        model = OpenAIChat("scripted", base_url=endpoint.base_url)
        theirs = peer(endpoint.base_url)
        loop = asyncio.new_event_loop()
        ours = rerank(TenBatches(), "bread", TEXTS, backends=model)  # learns what the endpoint can, once
        assert ours.order[0] == 9, ours.notes
        taken = medians(
            {
                "ours, sync": lambda: rerank(TenBatches(), "bread", TEXTS, backends=model),
                "ours, async": lambda: loop.run_until_complete(arerank(TenBatches(), "bread", TEXTS, backends=model)),
                "LlamaIndex LLMRerank, sync": lambda: theirs.postprocess_nodes(nodes, query_str="bread"),
                "LlamaIndex LLMRerank, async": lambda: loop.run_until_complete(
                    theirs.apostprocess_nodes(nodes, query_str="bread")
                ),
            },
            rounds=3,
        )
        loop.close()
    for name, value in taken.items():
        print(f"{name:30} {value:6.3f} s  {value / DELAY_S:5.2f} x one reply")


if __name__ == "__main__":
    main()
