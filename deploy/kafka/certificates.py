"""Certificates for a cluster of tests: made once with openssl, kept with the cluster."""

import shutil
import subprocess

from failure import Failure

DAYS = "3650"
CONFIG = """\
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[broker]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def make_certificates(directory):
    """`ca`, `broker` (its holders are clients of each other too) and `client`, each as NAME.crt and NAME.key.

    NAME.pem is key and certificate in one file, which Kafka calls a key store of type PEM.
    """
    if not shutil.which("openssl"):
        raise Failure("`openssl` is missing, which --tls needs; `apt-get install openssl` installs it")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    (directory / "openssl.cnf").write_text(CONFIG)
    new = ["req", "-config", "openssl.cnf", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(directory, *new, "-x509", "-extensions", "ca", "-days", DAYS, "-subj", "/CN=towline test authority",
            "-keyout", "ca.key", "-out", "ca.crt")
    for name in ("broker", "client"):
        openssl(directory, *new, "-subj", f"/CN=towline-{name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", DAYS, "-extfile", "openssl.cnf", "-extensions", name,
                "-out", f"{name}.crt")
        pem = directory / f"{name}.pem"
        pem.touch(mode=0o600)
        pem.write_text((directory / f"{name}.key").read_text() + (directory / f"{name}.crt").read_text())


def openssl(directory, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=directory, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    if done.returncode != 0:
        raise Failure(f"`openssl {arguments[0]}` failed: {' '.join(done.stderr.split())[:300]}")
