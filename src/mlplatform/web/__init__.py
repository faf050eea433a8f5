"""HTTP as all our servers speak it: problem+json errors, bearer tokens, health and metrics pages, one way to run uvicorn."""
