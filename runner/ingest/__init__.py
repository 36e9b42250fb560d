"""What the trainer writes, as events: console bytes -> lines -> events; TensorBoard files -> exact losses.

In: bytes. Out: `ConsoleEvent`s, scalars. Pure and incremental, except for finding event files. Begin with
`console.parser`.
"""
