#pragma once
/* Certificates of a test's own, and a client that speaks TLS. */
#include <openssl/ssl.h>

/* PEM files of a certificate for this name, signed by its own key (P-256, an hour). */
void certificate_make(const char *name, const char *certificate_file, const char *key_file);
/* A handshake with 127.0.0.1; `server_name` may be NULL: the client asks for none. Any certificate is taken. */
SSL *named_dial(int port, const char *server_name);
/* The socket is closed too. */
void named_close(SSL *ssl);
/* Says a request that ends its connection, hears the answer; closes. From malloc. */
char *named_ask(int port, const char *server_name, const char *text);
