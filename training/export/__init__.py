"""Adapters and bases in the forms of other engines: a folder for vLLM, GGUF for llama.cpp, merged weights."""
