"""Any endpoint that speaks the OpenAI API, through the official SDK."""
