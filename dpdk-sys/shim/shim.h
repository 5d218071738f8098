/*
 * The C shim: what is inline in DPDK's headers or differs between releases 22.11 and 24.11.
 *
 * Owns the mirror of the mbuf and the small structures in which port facts travel. No logic beyond
 * filling them. Functions that can fail return 0 or a negative errno, as DPDK's do.
 */
#ifndef KUMIKI_SHIM_H
#define KUMIKI_SHIM_H

#include <stddef.h>
#include <stdint.h>

struct rte_mempool;

/* Where the link to the next segment stands: 23.03 renamed the question. */
#ifdef RTE_IOVA_IN_MBUF
#define KUMIKI_HAS_IOVA RTE_IOVA_IN_MBUF
#else
#define KUMIKI_HAS_IOVA RTE_IOVA_AS_PA
#endif

/*
 * The fields of `struct rte_mbuf` under names that are the same in every release (24.11 wraps some
 * of them in anonymous unions). shim.c compares every offset at compile time.
 */
struct kumiki_mbuf {
	void *buf_addr;
#if KUMIKI_HAS_IOVA
	uint64_t buf_iova;
#else
	struct kumiki_mbuf *next;
#endif
	uint16_t data_off;
	uint16_t refcnt;
	uint16_t nb_segs;
	uint16_t port;
	uint64_t ol_flags;
	uint32_t packet_type;
	uint32_t pkt_len;
	uint16_t data_len;
	uint16_t vlan_tci;
	uint32_t hash_low;
	uint32_t hash_high;
	uint16_t vlan_tci_outer;
	uint16_t buf_len;
	struct rte_mempool *pool;
#if KUMIKI_HAS_IOVA
	struct kumiki_mbuf *next;
#else
	uint64_t dynfield2;
#endif
	uint64_t tx_offload;
	void *shinfo;
	uint16_t priv_size;
	uint16_t timesync;
	uint32_t dynfield1[9];
};

/*
 * Takes the first dynamic fields of every mbuf for ourselves, so that neither a library nor a
 * driver gets them. They lie in a cache line that is touched anyway. Returns 0 or a negative errno.
 */
int kumiki_fields_reserve(size_t octets);

/* What a port is and can do. */
struct kumiki_port_info {
	char driver[32];
	uint16_t rx_queues_max;
	uint16_t tx_queues_max;
	uint16_t mtu;
	uint16_t mtu_max;
	int32_t socket;
};

/* How a port shall be set up. */
struct kumiki_port_options {
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint16_t descriptors;
	/* 0: leave the device's. */
	uint16_t mtu;
	/* 1: rx interrupts wanted. */
	uint8_t interrupts;
	/* 1: every packet that is sent comes from one pool and has one reference. */
	uint8_t single_pool;
	/* 1: the port's frames are tagged. */
	uint8_t vlan;
};

/* What came of it: what the device does by itself. */
struct kumiki_port_grant {
	/* Kinds of packets that are spread over the receive queues; 0: none. */
	uint64_t rss;
	uint16_t rx_descriptors;
	uint16_t tx_descriptors;
	/* 1: both directions of a flow meet in one queue. */
	uint8_t rss_symmetric;
	uint8_t vlan_insert;
	uint8_t fast_free;
};

/* A pool of packet buffers. */
struct kumiki_pool_info {
	uint64_t memory_octets;
	uint32_t elements;
	uint32_t element_octets;
	uint32_t available;
	uint32_t cache_elements;
	uint16_t headroom_octets;
	uint16_t data_room_octets;
};

/* Counters of a port. */
struct kumiki_port_stats {
	uint64_t rx_packets;
	uint64_t tx_packets;
	uint64_t rx_octets;
	uint64_t tx_octets;
	uint64_t rx_missed;
	uint64_t rx_errors;
	uint64_t tx_errors;
	uint64_t rx_no_buffer;
};

/* State of a link. */
struct kumiki_link {
	/* UINT32_MAX: unknown. */
	uint32_t speed_mbps;
	uint8_t is_up;
};

/* `kumiki_port_find` and `kumiki_port_probe`: there is no such port. */
#define KUMIKI_PORT_NONE 65535

/* `ol_flags`: the VLAN tag was taken off the frame and stands in `vlan_tci`. */
#define KUMIKI_RX_VLAN_STRIPPED 64

/* `ol_flags`: the device shall put the VLAN tag in `vlan_tci` into the frame. */
#define KUMIKI_TX_VLAN 0x200000000000000

/* Octets of EAL and driver messages that are kept. */
#define KUMIKI_LOG_OCTETS_MAX 16384

/* Once per burst. */
uint16_t kumiki_rx_burst(uint16_t port, uint16_t queue, struct kumiki_mbuf **packets,
			 uint16_t count);
uint16_t kumiki_tx_burst(uint16_t port, uint16_t queue, struct kumiki_mbuf **packets,
			 uint16_t count);
int kumiki_alloc_bulk(struct rte_mempool *pool, struct kumiki_mbuf **packets, unsigned int count);
void kumiki_free_bulk(struct kumiki_mbuf **packets, unsigned int count);
void kumiki_free(struct kumiki_mbuf *packet);
uint64_t kumiki_cycles(void);

/* Thread and error state. */
unsigned int kumiki_lcore_id(void);
int kumiki_errno(void);

/* Ports. */
uint16_t kumiki_port_probe(const char *devargs, const char *name, int *error);
uint16_t kumiki_port_find(const char *name);
int kumiki_port_describe(uint16_t port, struct kumiki_port_info *info);
int kumiki_port_configure(uint16_t port, const struct kumiki_port_options *options,
			  struct rte_mempool *pool, struct kumiki_port_grant *grant);
int kumiki_port_stats(uint16_t port, struct kumiki_port_stats *stats);
int kumiki_port_link(uint16_t port, struct kumiki_link *link);
int kumiki_port_remove(uint16_t port);

/* Pools. */
void kumiki_pool_describe(struct rte_mempool *pool, struct kumiki_pool_info *info);
uint32_t kumiki_pool_cached(struct rte_mempool *pool, unsigned int lcore);

/* Messages of EAL and drivers: kept in memory, or passed on to stderr when `to_stderr`. */
int kumiki_log_open(int to_stderr);
size_t kumiki_log_take(char *text, size_t size);

#endif
