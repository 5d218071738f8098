/* The C shim; shim.h says what for. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_mempool.h>

#define SAME(field)                                                                              \
	_Static_assert(offsetof(struct kumiki_mbuf, field) == offsetof(struct rte_mbuf, field) &&    \
			       sizeof(((struct kumiki_mbuf *)0)->field) ==                           \
				       sizeof(((struct rte_mbuf *)0)->field),                        \
		       "the mirror of the mbuf differs in " #field)

SAME(buf_addr);
SAME(next);
SAME(data_off);
SAME(refcnt);
SAME(nb_segs);
SAME(port);
SAME(ol_flags);
SAME(packet_type);
SAME(pkt_len);
SAME(data_len);
SAME(vlan_tci);
SAME(vlan_tci_outer);
SAME(buf_len);
SAME(pool);
SAME(tx_offload);
SAME(priv_size);
_Static_assert(sizeof(struct kumiki_mbuf) == sizeof(struct rte_mbuf), "the mirror's size differs");
_Static_assert(KUMIKI_RX_VLAN_STRIPPED == RTE_MBUF_F_RX_VLAN_STRIPPED, "the flag differs");
_Static_assert(KUMIKI_TX_VLAN == RTE_MBUF_F_TX_VLAN, "the flag differs");

/* What tells flows apart: addresses and ports, and the flow label where DPDK knows it. */
#ifdef RTE_ETH_RSS_IPV6_FLOW_LABEL
#define RSS_KINDS (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_IPV6_FLOW_LABEL)
#else
#define RSS_KINDS (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)
#endif

/* The longest key of a driver has 52 octets. */
#define RSS_KEY_OCTETS_MAX 64

SAME(dynfield1);

int kumiki_fields_reserve(size_t octets)
{
	struct rte_mbuf_dynfield field = {
		.name = "kumiki_dynfield_packet",
		.size = octets,
		.align = __alignof__(uint32_t),
	};
	int offset = rte_mbuf_dynfield_register_offset(&field, offsetof(struct rte_mbuf, dynfield1));

	return offset < 0 ? -rte_errno : 0;
}

uint16_t kumiki_rx_burst(uint16_t port, uint16_t queue, struct kumiki_mbuf **packets,
			 uint16_t count)
{
	return rte_eth_rx_burst(port, queue, (struct rte_mbuf **)packets, count);
}

uint16_t kumiki_tx_burst(uint16_t port, uint16_t queue, struct kumiki_mbuf **packets,
			 uint16_t count)
{
	return rte_eth_tx_burst(port, queue, (struct rte_mbuf **)packets, count);
}

int kumiki_alloc_bulk(struct rte_mempool *pool, struct kumiki_mbuf **packets, unsigned int count)
{
	return rte_pktmbuf_alloc_bulk(pool, (struct rte_mbuf **)packets, count);
}

void kumiki_free_bulk(struct kumiki_mbuf **packets, unsigned int count)
{
	rte_pktmbuf_free_bulk((struct rte_mbuf **)packets, count);
}

void kumiki_free(struct kumiki_mbuf *packet)
{
	rte_pktmbuf_free((struct rte_mbuf *)packet);
}

uint64_t kumiki_cycles(void)
{
	return rte_rdtsc();
}

unsigned int kumiki_lcore_id(void)
{
	return rte_lcore_id();
}

int kumiki_errno(void)
{
	return rte_errno;
}

uint16_t kumiki_port_find(const char *name)
{
	uint16_t port;

	return rte_eth_dev_get_port_by_name(name, &port) == 0 ? port : KUMIKI_PORT_NONE;
}

/* Probes a device; the port is the one that was not there before, else the one of that name. */
uint16_t kumiki_port_probe(const char *devargs, const char *name, int *error)
{
	uint8_t seen[RTE_MAX_ETHPORTS] = {0};
	uint16_t port;

	RTE_ETH_FOREACH_DEV(port)
		seen[port] = 1;
	*error = rte_dev_probe(devargs);
	if (*error != 0)
		return KUMIKI_PORT_NONE;
	RTE_ETH_FOREACH_DEV(port)
		if (!seen[port])
			return port;
	return kumiki_port_find(name);
}

int kumiki_port_describe(uint16_t port, struct kumiki_port_info *info)
{
	struct rte_eth_dev_info device;
	int error = rte_eth_dev_info_get(port, &device);

	if (error != 0)
		return error;
	memset(info, 0, sizeof(*info));
	if (device.driver_name != NULL)
		snprintf(info->driver, sizeof(info->driver), "%s", device.driver_name);
	info->rx_queues_max = device.max_rx_queues;
	info->tx_queues_max = device.max_tx_queues;
	info->mtu_max = device.max_mtu;
	info->socket = rte_eth_dev_socket_id(port);
	return rte_eth_dev_get_mtu(port, &info->mtu);
}

/*
 * A key that repeats after 16 bits gives both directions of a flow one hash (Woo and Park,
 * "Scalable TCP Session Monitoring with Symmetric Receive-side Scaling", 2012).
 */
static void spread_flows(const struct rte_eth_dev_info *device, struct rte_eth_conf *conf,
			 uint8_t *key)
{
	struct rte_eth_rss_conf *rss = &conf->rx_adv_conf.rss_conf;

	rss->rss_hf = RSS_KINDS & device->flow_type_rss_offloads;
	if (rss->rss_hf == 0)
		return;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	if (device->hash_key_size == 0 || device->hash_key_size > RSS_KEY_OCTETS_MAX)
		return;
	for (size_t octet = 0; octet < RSS_KEY_OCTETS_MAX; octet++)
		key[octet] = octet % 2 == 0 ? 0x6d : 0x5a;
	rss->rss_key = key;
	rss->rss_key_len = device->hash_key_size;
}

/* What the device offers of what is wanted; nobody misses what it does not. */
static uint64_t tx_offloads(const struct rte_eth_dev_info *device,
			    const struct kumiki_port_options *options)
{
	uint64_t wanted = 0;

	if (options->vlan)
		wanted |= RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
	/* The driver returns all buffers to the pool of the first without looking at them. */
	if (options->single_pool)
		wanted |= RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	return wanted & device->tx_offload_capa;
}

static int set_up_queues(uint16_t port, const struct kumiki_port_options *options,
			 struct rte_mempool *pool, const struct kumiki_port_grant *grant)
{
	int socket = rte_eth_dev_socket_id(port);
	int error = 0;

	for (uint16_t queue = 0; queue < options->rx_queues && error == 0; queue++)
		error = rte_eth_rx_queue_setup(port, queue, grant->rx_descriptors, socket, NULL,
					       pool);
	for (uint16_t queue = 0; queue < options->tx_queues && error == 0; queue++)
		error = rte_eth_tx_queue_setup(port, queue, grant->tx_descriptors, socket, NULL);
	return error;
}

int kumiki_port_configure(uint16_t port, const struct kumiki_port_options *options,
			  struct rte_mempool *pool, struct kumiki_port_grant *grant)
{
	uint8_t key[RSS_KEY_OCTETS_MAX];
	struct rte_eth_conf conf;
	struct rte_eth_dev_info device;
	struct rte_eth_rss_conf *rss = &conf.rx_adv_conf.rss_conf;
	int error = rte_eth_dev_info_get(port, &device);

	if (error != 0)
		return error;
	memset(&conf, 0, sizeof(conf));
	memset(grant, 0, sizeof(*grant));
	grant->rx_descriptors = options->descriptors;
	grant->tx_descriptors = options->descriptors;
	conf.rxmode.mtu = options->mtu;
	conf.intr_conf.rxq = options->interrupts;
	conf.txmode.offloads = tx_offloads(&device, options);
	if (options->rx_queues > 1)
		spread_flows(&device, &conf, key);
	error = rte_eth_dev_configure(port, options->rx_queues, options->tx_queues, &conf);
	if (error != 0 && rss->rss_key != NULL) {
		/* A driver may not want another key than its own. */
		rss->rss_key = NULL;
		rss->rss_key_len = 0;
		error = rte_eth_dev_configure(port, options->rx_queues, options->tx_queues, &conf);
	}
	if (error != 0)
		return error;
	grant->rss = rss->rss_hf;
	grant->rss_symmetric = rss->rss_key != NULL;
	grant->vlan_insert = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_VLAN_INSERT) != 0;
	grant->fast_free = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE) != 0;
	error = rte_eth_dev_adjust_nb_rx_tx_desc(port, &grant->rx_descriptors,
						 &grant->tx_descriptors);
	return error != 0 ? error : set_up_queues(port, options, pool, grant);
}

int kumiki_port_stats(uint16_t port, struct kumiki_port_stats *stats)
{
	struct rte_eth_stats device;
	int error = rte_eth_stats_get(port, &device);

	if (error != 0)
		return error;
	stats->rx_packets = device.ipackets;
	stats->tx_packets = device.opackets;
	stats->rx_octets = device.ibytes;
	stats->tx_octets = device.obytes;
	stats->rx_missed = device.imissed;
	stats->rx_errors = device.ierrors;
	stats->tx_errors = device.oerrors;
	stats->rx_no_buffer = device.rx_nombuf;
	return 0;
}

int kumiki_port_link(uint16_t port, struct kumiki_link *link)
{
	struct rte_eth_link device;
	int error = rte_eth_link_get_nowait(port, &device);

	if (error != 0)
		return error;
	link->speed_mbps = device.link_speed == RTE_ETH_SPEED_NUM_NONE ? UINT32_MAX : device.link_speed;
	link->is_up = device.link_status == RTE_ETH_LINK_UP;
	return 0;
}

/* Closes the port and takes its device off the bus. */
int kumiki_port_remove(uint16_t port)
{
	struct rte_eth_dev_info device;
	struct rte_device *bus_device;
	int error = rte_eth_dev_info_get(port, &device);

	if (error != 0)
		return error;
	bus_device = device.device;
	error = rte_eth_dev_close(port);
	if (error != 0 || bus_device == NULL)
		return error;
	return rte_dev_remove(bus_device);
}

void kumiki_pool_describe(struct rte_mempool *pool, struct kumiki_pool_info *info)
{
	struct rte_mempool_memhdr *chunk;

	memset(info, 0, sizeof(*info));
	STAILQ_FOREACH(chunk, &pool->mem_list, next)
		info->memory_octets += chunk->len;
	info->elements = pool->size;
	info->element_octets = pool->header_size + pool->elt_size + pool->trailer_size;
	info->available = rte_mempool_avail_count(pool);
	info->cache_elements = pool->cache_size;
	info->headroom_octets = RTE_PKTMBUF_HEADROOM;
	info->data_room_octets = rte_pktmbuf_data_room_size(pool);
}

/* Buffers in the cache of a thread; no exact number while that runs. */
uint32_t kumiki_pool_cached(struct rte_mempool *pool, unsigned int lcore)
{
	const struct rte_mempool_cache *cache = rte_mempool_default_cache(pool, lcore);

	return cache != NULL ? cache->len : 0;
}

/* The last messages; older ones make room. Guarded by `log_lock`. */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[KUMIKI_LOG_OCTETS_MAX];
static size_t log_length;

static ssize_t log_write(void *cookie, const char *text, size_t size)
{
	size_t kept = size < sizeof(log_text) ? size : sizeof(log_text);
	size_t keep_before = sizeof(log_text) - kept;

	(void)cookie;
	pthread_mutex_lock(&log_lock);
	if (log_length > keep_before) {
		memmove(log_text, log_text + log_length - keep_before, keep_before);
		log_length = keep_before;
	}
	memcpy(log_text + log_length, text + size - kept, kept);
	log_length += kept;
	pthread_mutex_unlock(&log_lock);
	return (ssize_t)size;
}

int kumiki_log_open(int to_stderr)
{
	static const cookie_io_functions_t functions = {.write = log_write};
	FILE *stream = stderr;

	if (!to_stderr) {
		stream = fopencookie(NULL, "w", functions);
		if (stream == NULL)
			return -errno;
		setvbuf(stream, NULL, _IOLBF, 1024);
	}
	return rte_openlog_stream(stream);
}

size_t kumiki_log_take(char *text, size_t size)
{
	size_t length;

	pthread_mutex_lock(&log_lock);
	length = log_length < size ? log_length : size;
	memcpy(text, log_text + log_length - length, length);
	log_length = 0;
	pthread_mutex_unlock(&log_lock);
	return length;
}
