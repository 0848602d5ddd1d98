/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hash.h"

#include <glib.h>

/* Of the authors' vectors: key 00..0f, and the first bytes of 00, 01, 02, … */
static void test_vectors(void)
{
        static const struct {
                size_t n;
                uint64_t hash;
        } vectors[] = {
                { 0, 0x726fdb47dd0e0e31 },  { 1, 0x74f839c593dc67fd },  { 7, 0xab0200f58b01d137 },
                { 8, 0x93f5f5799a932462 },  { 9, 0x9e0082df0ba9e4b0 },  { 15, 0xa129ca6149be45e5 },
                { 16, 0x3f2acc7f57c29bdb }, { 63, 0x958a324ceb064572 },
        };
        uint8_t key[16], bytes[64];

        for (size_t i = 0; i < sizeof(key); i++)
                key[i] = (uint8_t)i;
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)i;
        for (size_t i = 0; i < G_N_ELEMENTS(vectors); i++)
                g_assert_cmphex(hash_keyed(key, bytes, vectors[i].n), ==, vectors[i].hash);
}

/* Texts that GLib's hash takes for one. */
static void test_texts(void)
{
        const int64_t one = 1, other = one + (INT64_C(1) << 32);

        g_assert_cmpuint(g_str_hash("Ab"), ==, g_str_hash("BA"));
        g_assert_cmpuint(hash_text("Ab"), !=, hash_text("BA"));
        g_assert_cmpuint(hash_text("Ab"), ==, hash_text("Ab"));
        g_assert_cmpuint(g_int64_hash(&one), ==, g_int64_hash(&other));
        g_assert_cmpuint(hash_int64(&one), !=, hash_int64(&other));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/hash/vectors", test_vectors);
        g_test_add_func("/hash/texts", test_texts);
        return g_test_run();
}
