"""Comparing a source with the stream, row by row, and sending what the stream lacks.

``entries`` says what is compared, ``comparison`` how, ``scope`` what of it counts; these are pure.
"""
