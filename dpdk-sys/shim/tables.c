#include <rte_fib6.h>
#include <rte_lpm6.h>
#include <rte_memory.h>

#include "tables.h"

void *kumiki_fib6_create(const char *name, uint32_t routes_max, uint32_t groups_max)
{
	struct rte_fib6_conf conf = {
		.type = RTE_FIB6_TRIE,
		.default_nh = 0,
		.max_routes = (int)routes_max,
		.trie = {.nh_sz = RTE_FIB6_TRIE_4B, .num_tbl8 = groups_max},
	};

	return rte_fib6_create(name, SOCKET_ID_ANY, &conf);
}

int kumiki_fib6_use_avx512(void *table, int is_wanted)
{
	return rte_fib6_select_lookup(table, is_wanted ? RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512
						       : RTE_FIB6_LOOKUP_TRIE_SCALAR);
}

int kumiki_fib6_add(void *table, const uint8_t *address, uint8_t length, uint64_t next_hop)
{
	return rte_fib6_add(table, (const void *)address, length, next_hop);
}

int kumiki_fib6_delete(void *table, const uint8_t *address, uint8_t length)
{
	return rte_fib6_delete(table, (const void *)address, length);
}

int kumiki_fib6_lookup(void *table, const void *addresses, uint64_t *next_hops, int count)
{
	return rte_fib6_lookup_bulk(table, (void *)addresses, next_hops, count);
}

void kumiki_fib6_free(void *table)
{
	rte_fib6_free(table);
}

void *kumiki_lpm6_create(const char *name, uint32_t routes_max, uint32_t groups_max)
{
	struct rte_lpm6_config config = {.max_rules = routes_max, .number_tbl8s = groups_max};

	return rte_lpm6_create(name, SOCKET_ID_ANY, &config);
}

int kumiki_lpm6_add(void *table, const uint8_t *address, uint8_t length, uint32_t next_hop)
{
	return rte_lpm6_add(table, (const void *)address, length, next_hop);
}

int kumiki_lpm6_delete(void *table, const uint8_t *address, uint8_t length)
{
	return rte_lpm6_delete(table, (const void *)address, length);
}

int kumiki_lpm6_lookup(void *table, const void *addresses, int32_t *next_hops, unsigned int count)
{
	return rte_lpm6_lookup_bulk_func(table, (void *)addresses, next_hops, count);
}

void kumiki_lpm6_free(void *table)
{
	rte_lpm6_free(table);
}
