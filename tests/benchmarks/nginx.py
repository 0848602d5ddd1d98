# SPDX-License-Identifier: LGPL-2.1-or-later
"""nginx with one worker, serving files over TLS with a given certificate: the peer of xapi-core's HTTPS."""
from .tools import SERVERS, wait_for
from .switch import free_port, serves_tcp

CONFIG = '''
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error.log;
events {{ worker_connections 4096; }}
http {{
        access_log off;
        default_type application/json;
        keepalive_requests 1000000000;
        open_file_cache max=100 inactive=1h;
        tcp_nodelay on;
        sendfile on;
        client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
        uwsgi_temp_path {folder}; scgi_temp_path {folder};
        server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate {certificate};
                ssl_certificate_key {certificate};
                ssl_protocols TLSv1.2 TLSv1.3;
                root {folder}/www;
                location /put/ {{ dav_methods PUT; client_max_body_size 0; }}
        }}
}}
'''


class Nginx:
    def __init__(self, place, certificate):
        self.place, self.port = place, free_port()
        self.target = f'127.0.0.1:{self.port}'
        (place.folder / 'www/put').mkdir(parents=True)
        (place.folder / 'www/put').chmod(0o777)     # the worker is another user
        place.folder.chmod(0o755)
        config = place.folder / 'nginx.conf'
        config.write_text(CONFIG.format(folder=place.folder, port=self.port, certificate=certificate))
        self.master = place.start(SERVERS, 'nginx', '-c', config).pid
        wait_for(lambda: serves_tcp(self.port), 'nginx')

    def worker(self):
        with open(f'/proc/{self.master}/task/{self.master}/children') as file:
            return int(file.read())

    def request(self, name, body):
        """Serves these bytes from now on -> the request for them."""
        (self.place.folder / 'www' / name).write_bytes(body)
        return f'GET /{name} HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode()
