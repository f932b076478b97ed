"""A web server: each page says how it was called."""
import http.server
import threading


class Web:
    """|script|: what else each page holds."""

    def __init__(self, script=""):
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = ("<html><body><p>the page of %s</p>%s</body></html>" % (self.headers["Host"], script)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
