"""Folders of articles, on all cores of a machine or on a cluster.

`run` plans the work with `units`, has each done by a `worker`, notes it in the `journal` and puts outputs together.
`places` are folders and URLs; `formats` says who reads and writes a file: `jsonlines`, `parquet` or `wet`, chunk by
chunk (`chunks`). `summary` adds up what became of the articles, and `page` shows it.
"""
