package simnode

import "fmt"

// textMemoryStat is memory.stat of v2, in the order of a kernel 6.12.
func textMemoryStat(g *group, b []byte) []byte {
	m := g.Memory
	b = fmt.Appendf(b, "anon %016d\nfile %016d\nkernel %016d\nkernel_stack %016d\npagetables %016d\n",
		m.Anon, m.File, m.KernelStack+m.PageTables+m.Slab, m.KernelStack, m.PageTables)
	b = append(b, "sec_pagetables 0\npercpu 0\nsock 0\nvmalloc 0\nshmem 0\nfile_mapped 0\nfile_dirty 0\n"+
		"file_writeback 0\nswapcached 0\nanon_thp 0\nfile_thp 0\nshmem_thp 0\n"...)
	b = fmt.Appendf(b, "inactive_anon 0\nactive_anon %016d\ninactive_file %016d\nactive_file 0\nunevictable 0\n", m.Anon, m.File)
	b = fmt.Appendf(b, "slab_reclaimable 0\nslab_unreclaimable %016d\nslab %016d\n", m.Slab, m.Slab)
	return append(b, "workingset_refault_anon 0\nworkingset_refault_file 0\nworkingset_activate_anon 0\n"+
		"workingset_activate_file 0\nworkingset_restore_anon 0\nworkingset_restore_file 0\n"+
		"workingset_nodereclaim 0\npgdemote_kswapd 0\npgdemote_direct 0\npgdemote_khugepaged 0\n"+
		"pgpromote_success 0\npgscan 0\npgsteal 0\npgscan_kswapd 0\npgscan_direct 0\npgscan_khugepaged 0\n"+
		"pgsteal_kswapd 0\npgsteal_direct 0\npgsteal_khugepaged 0\npgfault 0\npgmajfault 0\npgrefill 0\n"+
		"pgactivate 0\npgdeactivate 0\npglazyfree 0\npglazyfreed 0\nswpin_zero 0\nswpout_zero 0\n"+
		"thp_fault_alloc 0\nthp_collapse_alloc 0\nthp_swpout 0\nthp_swpout_fallback 0\n"+
		"numa_pages_migrated 0\nnuma_pte_updates 0\nnuma_hint_faults 0\n"...)
}

// textMemoryStatV1 is memory.stat of v1. The bare keys count the cgroup alone,
// the total_ keys what is below it as well. There is no key for kernel memory.
func textMemoryStatV1(g *group, b []byte) []byte {
	b = v1Keys(b, "", g.own)
	b = append(b, "hierarchical_memory_limit 9223372036854771712\nhierarchical_memsw_limit 9223372036854771712\n"...)
	return v1Keys(b, "total_", g.Memory)
}

func v1Keys(b []byte, prefix string, m Memory) []byte {
	b = fmt.Appendf(b, "%scache %016d\n%srss %016d\n", prefix, m.File, prefix, m.Anon)
	for _, key := range [...]string{
		"rss_huge", "shmem", "mapped_file", "dirty", "writeback", "workingset_refault_anon", "workingset_refault_file",
		"swap", "swapcached", "pgpgin", "pgpgout", "pgfault", "pgmajfault", "inactive_anon",
	} {
		b = fmt.Appendf(b, "%s%s 0\n", prefix, key)
	}
	return fmt.Appendf(b, "%sactive_anon %016d\n%sinactive_file %016d\n%sactive_file 0\n%sunevictable 0\n",
		prefix, m.Anon, prefix, m.File, prefix, prefix)
}
