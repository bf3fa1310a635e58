import type { ChatMessage, ChatRenderer, Segment } from '../../../lib/data/types.js';

/** A template that writes whatever it is given as JSON, and takes parts where `takesParts`. */
export const showing = (takesParts: boolean): ChatRenderer => {
  const shown = (message: ChatMessage): Segment[] => {
    const { role, content = '', ...others } = message;
    const isList = Array.isArray(content);
    const text = isList ? (takesParts ? content.map((part) => part.text).join('|') : JSON.stringify(content)) : content;
    return [
      { text: `[${role}${Object.keys(others).length > 0 ? JSON.stringify(others) : ''}]`, trained: false, field: 'template' },
      { text: text === '' ? '' : `${text}</s>`, trained: role === 'assistant', field: 'content' },
      { text: text === '' ? '</s>\n' : '\n', trained: false, field: 'template' },
    ];
  };
  const render: ChatRenderer['render'] = (messages, { tools } = {}) => [
    { text: tools === undefined ? '' : JSON.stringify(tools), trained: false, field: 'template' },
    ...messages.flatMap((message, n) =>
      shown(message).map((one) => (one.field === 'content' ? { ...one, field: `messages[${n}].content` } : one)),
    ),
  ];
  return {
    render,
    prompt: (messages, options) =>
      render(messages, options)
        .map(({ text }) => text)
        .join(''),
  };
};
