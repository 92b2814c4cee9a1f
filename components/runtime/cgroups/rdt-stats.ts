/** The numbers of an Intel RDT group, under the names that `events` prints. */
export interface RdtStats {
  readonly l3_cache_info?: { readonly cbm_mask: string; readonly min_cbm_bits: number; readonly num_closids: number };
  readonly l3_cache_schema_root?: string;
  readonly l3_cache_schema?: string;
  readonly mem_bw_info?: {
    readonly bandwidth_gran: number;
    readonly delay_linear: number;
    readonly min_bandwidth: number;
    readonly num_closids: number;
  };
  readonly mem_bw_schema_root?: string;
  readonly mem_bw_schema?: string;
  readonly schemata?: readonly string[];
  readonly mbm_stats?: readonly { readonly mbm_total_bytes: number; readonly mbm_local_bytes: number }[];
  readonly cmt_stats?: readonly { readonly llc_occupancy: number }[];
}
