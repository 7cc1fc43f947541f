"""A chatbot backend: a LangChain chain with a reranker, streamed over server-sent events. See README.md.

Copy this folder into a project of yours, under any name; its modules import each other relatively.
"""
