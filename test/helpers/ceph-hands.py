"""What tests do to one Ceph cluster behind everybody's back, as the administrator, in one process with one connection.

A request is a line of JSON on stdin, `{"ask": …}`, and its answer a line on stdout, in the same order.
"""

import hashlib
import json
import random
import sys

import rados
import rbd

LEAF = 4 * 2**20
ZEROS = bytes(LEAF)

cluster = rados.Rados(conffile=sys.argv[1], rados_id='admin')
cluster.connect()
contexts = {}


def pool(name):
    if name not in contexts:
        contexts[name] = cluster.open_ioctx(name)
    return contexts[name]


def image(spec, writes=False):
    """`pool/name` or `pool/name@snapshot`. Who only reads has no watch on it, so nobody takes it for a writer."""
    where, name = spec.split('/')
    name, _, snapshot = name.partition('@')
    return rbd.Image(pool(where), name, snapshot=snapshot or None, read_only=not writes)


def snapshots(opened):
    return [{'id': one['id'], 'name': name_of(one), 'size': one['size']} for one in opened.list_snaps()]


def name_of(one):
    """A removal that was cut off leaves the snapshot in the image's trash, where `rbd snap ls` does not show it."""
    return f'in the trash: {one["trash"]["original_name"]}' if 'trash' in one else one['name']


def images(pool_name):
    return rbd.RBD().list(pool(pool_name))


def look(spec):
    try:
        with image(spec) as opened:
            return {
                'size': opened.size(),
                'snapshots': snapshots(opened),
                'records': [key for key, _ in opened.metadata_list()],
                'watchers': [one['addr'] for one in opened.watchers_list()],
            }
    except rbd.ImageNotFound:
        return None


def create(spec, size):
    where, name = spec.split('/')
    rbd.RBD().create(pool(where), name, size)


def act(spec, acts):
    with image(spec, writes=True) as opened:
        for one in acts:
            kind = one['act']
            if kind == 'write':
                opened.write(random.Random(one['seed']).randbytes(one['length']), one['offset'])
            elif kind == 'zeroes':
                opened.write(bytes(one['length']), one['offset'])
            elif kind == 'discard':
                opened.discard(one['offset'], one['length'])
            elif kind == 'resize':
                opened.resize(one['size'])
            elif kind == 'rollback':
                opened.rollback_to_snap(one['snapshot'])
        opened.flush()


def snap(spec, name):
    with image(spec, writes=True) as opened:
        opened.create_snap(name)
        return next(one for one in snapshots(opened) if one['name'] == name)


def unsnap(spec, names):
    with image(spec, writes=True) as opened:
        for name in names:
            opened.remove_snap(name)


def leaves_of(opened, how):
    """Numbers of the 4 MiB leaves that may hold data, ascending."""
    if how == 'whole':
        return range(0, -(-opened.size() // LEAF))
    found = set()

    def add(offset, length, exists):
        if exists and length > 0:
            found.update(range(offset // LEAF, -(-(offset + length) // LEAF)))

    opened.diff_iterate(0, opened.size(), None, add, whole_object=True)
    return sorted(found)


def content(spec, how):
    """SHA-256 over the size and every leaf that is not zero, with its number: the same for the same bytes."""
    whole = hashlib.sha256()
    with image(spec) as opened:
        size = opened.size()
        whole.update(b'%d\n' % size)
        for leaf in leaves_of(opened, how):
            data = opened.read(leaf * LEAF, min(LEAF, size - leaf * LEAF))
            if data != ZEROS[: len(data)]:
                whole.update(b'%d %s\n' % (leaf, hashlib.sha256(data).hexdigest().encode()))
    return whole.hexdigest()


def file_content(path):
    """The same of a file."""
    whole = hashlib.sha256()
    with open(path, 'rb') as opened:
        size = opened.seek(0, 2)
        whole.update(b'%d\n' % size)
        opened.seek(0)
        for leaf in range(0, -(-size // LEAF)):
            data = opened.read(LEAF)
            if data != ZEROS[: len(data)]:
                whole.update(b'%d %s\n' % (leaf, hashlib.sha256(data).hexdigest().encode()))
    return whole.hexdigest()


def objects(pool_name, prefix):
    return [one.key for one in pool(pool_name).list_objects() if one.key.startswith(prefix)]


def remove_objects(pool_name, names):
    for name in names:
        pool(pool_name).remove_object(name)


def forget_watches(spec):
    """Makes the OSD read an image's header from its disk again.

    A client that dies (SIGKILL) while it registers a watch leaves one that no OSD ends any more, until it reads the
    header again; it does once enough other objects of the same placement group were used.
    """
    with image(spec) as opened:
        header = f'rbd_header.{opened.id()}'
    where = pool(spec.split('/')[0])
    where.set_locator_key(header)
    try:
        names = [f'{header}.crowd.{number}' for number in range(100)]
        for name in names:
            where.write_full(name, b'.')
        for name in names:
            where.remove_object(name)
    finally:
        where.set_locator_key('')


def remove(spec):
    """With its snapshots; content when it is gone."""
    where, name = spec.split('/')
    try:
        forget_watches(spec)
        with image(spec, writes=True) as opened:
            for one in list(opened.list_snaps()):
                opened.remove_snap_by_id(one['id'])
        rbd.RBD().remove(pool(where), name)
    except rbd.ImageNotFound:
        pass


asks = {
    one.__name__: one
    for one in (
        images, look, create, act, snap, unsnap, content, file_content, objects, remove_objects, forget_watches, remove
    )
}  # fmt: skip

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {'answer': asks[request['ask']](*request['given'])}
    except Exception as error:
        answer = {'failed': f'{request["ask"]} {request["given"]}: {type(error).__name__} {error}'[:2000]}
    sys.stdout.write(json.dumps(answer) + '\n')
    sys.stdout.flush()
