"""Certificates of every kind, made while a test runs, and what speaks TLS around the daemon.

    ca = Authority(scene.folder)
    good = ca.issue("dns.test", "192.0.2.1")       # names and addresses
    old = ca.issue("dns.test", days=(-30, -1))     # expired yesterday
    deep = ca.middle().issue("dns.test")           # its chain holds the intermediate
    broken = ca.middle().issue("dns.test", chain=False)
    self_signed = Authority.self_signed(scene.folder, "dns.test")

An identity has files, as the daemon wants them: .cert (PEM with its chain), .key, .p12(password); .pin, the hash that a
DNS stamp holds; ca.file is a caStore."""
import datetime
import hashlib
import hmac
import ipaddress
import os
import socket
import ssl
import struct

from harness import SLOW, Message, Skip, frame, tcp_connect, tcp_read

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.ciphers import aead as aead_ciphers
    from cryptography.hazmat.primitives.serialization import pkcs12
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    x509 = None


def need_cryptography():
    if x509 is None:
        raise Skip("no python3-cryptography")


# ---- keys and certificates ----
def new_key(kind="ec"):
    """|kind|: ec (P-256), p384, rsa (2048 bits), rsa1024 (too small for every library's default)."""
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "p384":
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(65537, int(kind[3:] or 2048))


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def alternatives(names):
    out = []
    for name in names:
        try:
            out.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            out.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(out)


def make(subject, key, issuer, issuer_key, names=(), days=(-1, 365), authority=False):
    """A certificate; |days|: from and until, counted from now; |issuer|: a name."""
    now = datetime.datetime.now(datetime.timezone.utc)
    b = x509.CertificateBuilder(issuer, name_of(subject), key.public_key(), x509.random_serial_number(),
                                now + datetime.timedelta(days=days[0]), now + datetime.timedelta(days=days[1]))
    b = b.add_extension(x509.BasicConstraints(authority, None), critical=True)
    b = b.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    if names:
        b = b.add_extension(alternatives(names), critical=False)
    if not authority:
        b = b.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return b.sign(issuer_key, hashes.SHA256())


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Identity:
    """A key and its certificate in files: .cert (with its chain), .key, .ca (who has issued it, for staples)."""
    count = 0

    def __init__(self, folder, key, certificate, chain=(), ca=None):
        Identity.count += 1
        self.folder, self.ca = folder, ca
        self.private, self.certificate, self.chain = key, certificate, list(chain)
        self.base = os.path.join(folder, "identity%d" % Identity.count)
        self.cert, self.key = self.base + ".pem", self.base + ".key"
        self.write(self.cert, b"".join(pem(c) for c in [certificate] + self.chain))
        self.write(self.key, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()))

    @staticmethod
    def write(path, data):
        fresh = path + ".new"  # a server that reloads meanwhile never sees half a file
        with open(fresh, "wb") as f:
            f.write(data)
        os.rename(fresh, path)

    def p12(self, password=""):
        path = self.base + ".p12"
        hide = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        self.write(path, pkcs12.serialize_key_and_certificates(b"shrewd", self.private, self.certificate, self.chain, hide))
        return path

    def become(self, other):
        """Puts the other identity into this one's files, as a renewal does."""
        for mine, theirs in ((self.cert, other.cert), (self.key, other.key)):
            with open(theirs, "rb") as f:
                self.write(mine, f.read())

    @property
    def pin(self):
        return hashlib.sha256(self.certificate.tbs_certificate_bytes).digest()

    @property
    def fingerprint(self):
        """SHA-256 of the whole certificate, as openssl x509 -fingerprint prints it."""
        return ":".join("%02X" % b for b in self.certificate.fingerprint(hashes.SHA256()))


class Authority(Identity):
    def __init__(self, folder, subject="shrewd test authority", parent=None, days=(-2, 3650), kind="ec"):
        need_cryptography()
        key = new_key(kind)
        if parent:
            certificate = make(subject, key, parent.certificate.subject, parent.private, days=days, authority=True)
        else:
            certificate = make(subject, key, name_of(subject), key, days=days, authority=True)
        self.parent = parent
        super().__init__(folder, key, certificate, ca=parent)
        self.file = self.cert

    def middle(self, subject="shrewd test intermediate", **options):
        return Authority(self.folder, subject, self, **options)

    def issue(self, *names, subject=None, days=(-1, 365), kind="ec", chain=True):
        """An identity for |names| (names and addresses); |chain| False: intermediates are left out."""
        key = new_key(kind)
        certificate = make(subject or names[0][:64], key, self.certificate.subject, self.private, names, days)
        above, up = [], self
        while chain and up.parent:  # the root itself is never sent
            above.append(up.certificate)
            up = up.parent
        return Identity(self.folder, key, certificate, above, self)

    @staticmethod
    def self_signed(folder, *names, days=(-1, 365), kind="ec"):
        need_cryptography()
        key = new_key(kind)
        return Identity(folder, key, make(names[0][:64], key, name_of(names[0][:64]), key, names, days))


# ---- our side of TLS: clients and servers of the ssl module ----
def client_context(ca=None, alpn=None, version=None):
    """|ca|: an Authority or a file; None: nothing is checked.  |version|: "1.2" or "1.3" alone."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        c.check_hostname = False
        c.verify_mode = ssl.CERT_NONE
    else:
        c.load_verify_locations(ca if isinstance(ca, str) else ca.file)
    return limited(c, alpn, version)


def server_context(identity, alpn=None, version=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(identity.cert, identity.key)
    return limited(c, alpn, version)


def limited(context, alpn, version):
    if alpn:
        context.set_alpn_protocols([alpn] if isinstance(alpn, str) else alpn)
    if version:
        only = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
        context.minimum_version = context.maximum_version = only
    return context


def tls_connect(port, ca=None, name="dns.test", address="127.0.0.1", timeout=3.0, context=None, session=None, source=None):
    """A connected ssl socket; .session and .session_reused tell of resumption, .version() and .cipher() of the rest."""
    context = context or client_context(ca)
    plain = tcp_connect(port, address, timeout, source)
    try:
        return context.wrap_socket(plain, server_hostname=name or None, session=session)
    except (OSError, ValueError):
        plain.close()
        raise


def tls_ask(port, wire, ca=None, name="dns.test", **options):
    """One query over a DoT connection of its own: the answer's Message, None when the connection ends before."""
    with tls_connect(port, ca, name, **options) as s:
        s.sendall(frame(wire))
        body = tcp_read(s)
        return Message(body) if body else None


def tls_refused(port, **options):
    """Why a handshake fails, as the ssl module says it; None: it does not fail."""
    try:
        with tls_connect(port, **options) as s:
            s.settimeout(min(0.5 * SLOW, 1.2))  # shorter than an idle connection is kept
            try:
                return "closed" if s.recv(1) == b"" else None  # with TLS 1.3 a refusal comes behind the handshake
            except socket.timeout:
                return None
    except ssl.SSLError as e:
        return e.reason or str(e)
    except OSError as e:
        return e.strerror or str(e)


class Sealed:
    """One end of TLS on a connected socket: it can stop in the middle of a record, or say several things in one flight."""

    def __init__(self, s, context, server=False):
        self.s = s
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server, None if server else "dns.test")

    def hello(self):
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def hear(self):
        """Waits for bytes, which the next call of |tls| reads."""
        got = self.s.recv(65536)
        if not got:
            raise ConnectionResetError("closed")
        self.incoming.write(got)

    def shake(self):
        while True:
            try:
                self.tls.do_handshake()
                self.s.sendall(self.outgoing.read())
                return self
            except ssl.SSLWantReadError:
                self.s.sendall(self.outgoing.read())
                self.hear()

    def seal(self, data):
        self.tls.write(data)
        return self.outgoing.read()

    def seal_bye(self):
        """Our close_notify."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()


def key_updates(secret, cipher, n):
    """|n| KeyUpdate records (RFC 8446, 4.6.3 and 7.2) of who has sent none with |secret|, its traffic secret, yet."""
    digest = hashlib.sha384 if cipher.endswith("SHA384") else hashlib.sha256
    aead = aead_ciphers.ChaCha20Poly1305 if "CHACHA" in cipher else aead_ciphers.AESGCM

    def expand(label, length):
        label = b"tls13 " + label
        info = struct.pack("!HB", length, len(label)) + label + b"\0\1"
        return hmac.digest(secret, info, digest)[:length]

    out = []
    for _ in range(n):
        head = b"\x17\x03\x03" + struct.pack("!H", 6 + 16)
        sealer = aead(expand(b"key", 16 if "AES_128" in cipher else 32))
        out.append(head + sealer.encrypt(expand(b"iv", 12), b"\x18\0\0\1\0\x16", head))
        secret = expand(b"traffic upd", digest().digest_size)
    return b"".join(out)
