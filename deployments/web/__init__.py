"""The page for scientists: results, movies, starting runs, and uploads in a browser.

It keeps nothing: it reads results from the object store and talks to Prefect's API.

`application.py` puts the page together. Each part of it is a module with a router: `results.py`,
`player.py`, `start.py`, `upload.py`. `docs/web.md` says how parts are added.
"""
