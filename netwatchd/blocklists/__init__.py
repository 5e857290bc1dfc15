"""Lists of addresses and names that others publish: fetched, kept, and asked for each address that is spoken with.

`updates` fetches what is due and has `intake` look whether it is fit; `building` makes a compact `table` of it, which
`kept` puts beside the databases; `lists` answers what is in which list, and `allowed` what is never told.
"""
