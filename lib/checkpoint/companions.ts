/** Files of a model folder that are neither network nor weights: how texts become ids, and how answers are drawn. */
export const COMPANIONS: readonly string[] = [
  'tokenizer.model',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
  'generation_config.json',
];

/** The folder of chat templates beside the plain one. */
export const TEMPLATES = 'additional_chat_templates';
