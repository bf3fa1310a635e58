/** What is known of a network’s tensors before their file is read. */

/** A tensor that must be there. */
export interface ExpectedTensor {
  name: string;
  shape: number[];
  /** What in config.json the shape comes from, for messages. */
  because: string;
}

/** A linear layer of every block. */
export interface LinearLayer {
  /** `model.layers.0.self_attn.q_proj` */
  name: string;
  inputs: number;
  outputs: number;
  bias: boolean;
  because: string;
}
