/* Certificates of the file: what is wrong with them is said with its line. */
#include "base/arena.h"
#include "config/config_text.h"
#include "test/edge_certificate.h"
#include "process/tls_names.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct arena arena;
static char dir[] = "/tmp/tonearm-tls-XXXXXX";

static void setup(void)
{
    cr_assert_not_null(mkdtemp(dir));
}

static void teardown(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
    arena_free(&arena);
}

TestSuite(config_certificates, .init = setup, .fini = teardown);

static const char *file_of(const char *name)
{
    return arena_printf(&arena, "%s/%s", dir, name);
}

static void make(const char *name)
{
    certificate_make(name, file_of(arena_printf(&arena, "%s.cert", name)),
                     file_of(arena_printf(&arena, "%s.key", name)));
}

static const char *write_file(const char *name, const char *text)
{
    FILE *file = fopen(file_of(name), "w");
    fputs(text, file);
    fclose(file);
    return file_of(name);
}

/* What is wrong with a pair of these two. */
static const char *faults_of(const char *cert, const char *key, const char *rest)
{
    return config_faults(&arena, arena_printf(&arena,
                                              "_format_version: '3.0'\n"
                                              "certificates:\n"
                                              "  - cert: '%s'\n"
                                              "    key: '%s'\n%s",
                                              cert, key, rest));
}

Test(config_certificates, a_pair_is_read_from_its_files)
{
    make("a");
    make("b");
    cr_expect_str_eq(faults_of(file_of("a.cert"), file_of("a.key"), ""), "");
    cr_expect_str_eq(faults_of(file_of("a.cert"), file_of("b.key"), ""),
                     "f.yml:4: certificates[0].key: does not belong to the certificate\n");
    cr_expect_str_eq(faults_of(file_of("a.key"), file_of("a.key"), ""),
                     "f.yml:3: certificates[0].cert: is no certificate in PEM\n");
    cr_expect_str_eq(faults_of(file_of("a.cert"), file_of("a.cert"), ""),
                     "f.yml:4: certificates[0].key: is no private key in PEM\n");
    cr_expect(strstr(faults_of("{vault://env/cert}", file_of("a.key"), ""),
                     "f.yml:3: certificates[0].cert: stands for a value"));
    cr_expect(strstr(faults_of("/nowhere", file_of("a.key"), ""),
                     "f.yml:3: certificates[0].cert: /nowhere cannot be read: No such file"));
    const char *half = faults_of(file_of("a.cert"), file_of("a.key"),
                                 arena_printf(&arena, "    cert_alt: '%s'\n", file_of("b.cert")));
    cr_expect_str_eq(half, "f.yml:3: certificates[0].key_alt: is required: the other one is there\n");
}

Test(config_certificates, nobody_is_asked_for_a_passphrase)
{
    make("a");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *file = fopen(file_of("sealed"), "w");
    PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL);
    fclose(file);
    EVP_PKEY_free(key);
    cr_expect_str_eq(faults_of(file_of("a.cert"), file_of("sealed"), ""),
                     "f.yml:4: certificates[0].key: is sealed with a passphrase: give it unsealed\n");
}

Test(config_certificates, a_broken_chain_is_refused)
{
    char pem[8192] = "";
    make("a");
    FILE *in = fopen(file_of("a.cert"), "r");
    size_t size = fread(pem, 1, sizeof pem / 2, in);
    fclose(in);
    snprintf(pem + size, sizeof pem - size, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    cr_expect_str_eq(faults_of(write_file("chain", pem), file_of("a.key"), ""),
                     "f.yml:3: certificates[0].cert: what follows the first certificate is none\n");
}

Test(config_certificates, names_have_one_certificate)
{
    make("a");
    const char *cert = file_of("a.cert"), *key = file_of("a.key");
    cr_expect_str_eq(faults_of(cert, key, "    snis: [{name: a.b}, {name: '*.b'}, {name: 'b.*'}, {name: '*'}]\n"), "");
    cr_expect_str_eq(faults_of(cert, key, "    snis: [{name: a.b}]\nsnis: [{name: A.b, certificate: {id: x}}]\n"),
                     "f.yml:6: snis[0].name: \"A.b\" has a certificate already (line 5)\n"
                     "f.yml:6: snis.certificate: \"x\" is no id of a certificate of this file\n");
    cr_expect(strstr(faults_of(cert, key, "    snis: [{name: 'a.*.b'}]\n"),
                     "certificates[0].snis[0].name: \"a.*.b\" is no host name"));
    cr_expect(strstr(faults_of(cert, key, "    nonsense: 1\n"), "nonsense: is not a field"));
}

static void release(void *value)
{
    (void)value;
}

Test(config_certificates, names_are_found_as_kong_finds_them)
{
    struct tls_names *names = tls_names_create(release);
    static const char *const all[] = { "*", "a.example", "*.example", "a.*", "b.c.example" };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tls_names_add(names, all[i], (void *)all[i]);
    tls_names_add(names, "A.Example", (void *)"later");
    static const char *const wanted[][2] = {
        { "a.example", "a.example" },
        { "A.EXAMPLE", "a.example" },
        { "x.example", "*.example" },
        { "a.org", "a.*" },
        { "b.c.example", "b.c.example" },
        { "x.c.example", "*" },
        { "localhost", "*" },
        { "", "*" },
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        cr_expect_str_eq(tls_names_find(names, wanted[i][0]), wanted[i][1], "%s", wanted[i][0]);
    char large[400];
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = 0;
    cr_expect_null(tls_names_find(names, large));
    tls_names_destroy(names);
}
