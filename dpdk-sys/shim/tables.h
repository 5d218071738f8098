/*
 * DPDK's own tables of IPv6 prefixes, which ours is measured against. Hidden behind plain pointers:
 * what an address is called differs between releases.
 */
#ifndef KUMIKI_TABLES_H
#define KUMIKI_TABLES_H

#include <stdint.h>

/* rte_fib6, as a trie with next hops of four octets; NULL: see rte_errno. */
void *kumiki_fib6_create(const char *name, uint32_t routes_max, uint32_t groups_max);
/* Whether lookups use AVX-512 from now on; EAL must allow 512 bits. */
int kumiki_fib6_use_avx512(void *table, int is_wanted);
int kumiki_fib6_add(void *table, const uint8_t *address, uint8_t length, uint64_t next_hop);
int kumiki_fib6_delete(void *table, const uint8_t *address, uint8_t length);
int kumiki_fib6_lookup(void *table, const void *addresses, uint64_t *next_hops, int count);
void kumiki_fib6_free(void *table);

/* rte_lpm6. */
void *kumiki_lpm6_create(const char *name, uint32_t routes_max, uint32_t groups_max);
int kumiki_lpm6_add(void *table, const uint8_t *address, uint8_t length, uint32_t next_hop);
int kumiki_lpm6_delete(void *table, const uint8_t *address, uint8_t length);
int kumiki_lpm6_lookup(void *table, const void *addresses, int32_t *next_hops, unsigned int count);
void kumiki_lpm6_free(void *table);

#endif
