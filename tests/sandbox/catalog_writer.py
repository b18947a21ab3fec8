"""One of several writers that append to the same Iceberg table at once; prints the ids that were acknowledged.

python catalog_writer.py CATALOG_URI WAREHOUSE TABLE WRITER APPENDS
"""

from __future__ import annotations

import random
import sys
import threading

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException

uri, warehouse, name, writer, appends = sys.argv[1:]
table = SqlCatalog("lake", uri=uri, warehouse=warehouse).load_table(name)
schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("writer", pa.int64(), nullable=False)])
sys.stdout.write("ready\n")
sys.stdout.flush()
sys.stdin.readline()  # all begin together
pause = threading.Event()
for number in range(int(appends)):
    row = {"id": int(writer) * 1000 + number, "writer": int(writer)}
    while True:
        try:
            table.append(pa.Table.from_pylist([row], schema=schema))
        except CommitFailedException:
            pause.wait(random.random() / 20)
            table.refresh()
        else:
            break
    sys.stdout.write(f"{row['id']}\n")
    sys.stdout.flush()
