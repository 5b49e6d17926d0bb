"""How movies get from a browser into the inbox, and what becomes of them there."""
