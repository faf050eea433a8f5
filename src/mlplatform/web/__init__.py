"""What all our HTTP servers share: problem+json errors, health and metrics pages, uvicorn."""
