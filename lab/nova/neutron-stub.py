"""neutron-stub.py PORT: the least Neutron that Nova needs for servers without networks: every list is empty.

Nova asks it for ports whenever a server is shown or deleted, and fails when nobody answers.
"""
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port = int(sys.argv[1])
version = {'id': 'v2.0', 'status': 'CURRENT', 'links': [{'rel': 'self', 'href': f'http://127.0.0.1:{port}/v2.0/'}]}


class Stub(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        path = self.path.split('?')[0].rstrip('/')
        name = path.rsplit('/', 1)[-1].removesuffix('.json').replace('-', '_')
        body = json.dumps({'versions': [version]} if path in ('', '/v2.0') else {name: []}).encode()
        self.send_response(200)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, text, *values):
        print(text % values, flush=True)


ThreadingHTTPServer(('127.0.0.1', port), Stub).serve_forever()
