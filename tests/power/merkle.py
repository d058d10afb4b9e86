"""Checking proofs of a log, from RFC 9162 (2.1.3.2, 2.1.4.2) and nothing of Assay's."""

import hashlib


def leaf_hash(leaf):
    """The hash of a leaf: no node can pass for it."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node(left, right):
    """The hash over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def is_included(index, size, leaf, path, root):
    """Whether `path` leads from a leaf's hash at `index` to the root of the tree of `size`."""
    if index >= size:
        return False
    place, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node(step, found)
            while place & 1 == 0 and place != 0:
                place, last = place >> 1, last >> 1
        else:
            found = node(found, step)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(old_size, new_size, path, old_root, new_root):
    """Whether `path` shows that the tree of `new_size` extends the one of `old_size`."""
    if old_size == new_size:
        return not path and old_root == new_root
    if not 0 < old_size < new_size:
        return False
    path = list(path)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node(step, old), node(step, new)
            while place & 1 == 0 and place != 0:
                place, last = place >> 1, last >> 1
        else:
            new = node(new, step)
        place, last = place >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root
