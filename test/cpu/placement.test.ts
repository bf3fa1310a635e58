import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { callKernel } from '../../lib/kernels/call.js';
import { addon, addonCandidates } from '../../lib/native.js';
import { scratchFolder } from '../support/tiny_model.js';
import { family, load } from '../transformer/fixtures.js';

interface Wish {
  threads: number;
  allowed: number[];
  taken?: number[];
  quota?: number;
  pin?: 'auto' | '0' | '1';
  unseen?: boolean;
}
const place = ({ allowed, taken = [], ...rest }: Wish) => {
  const args = { ...rest, allowed: Int32Array.from(allowed), taken: Int32Array.from(taken) };
  const { cpus, reason } = callKernel<{ cpus: Int32Array; reason: string }>('cpu_placement', args);
  return cpus.length > 0 ? [...cpus] : reason;
};

describe('CPUs of a team', () => {
  it('are the first of the mask that nobody has', () => {
    expect(place({ threads: 2, allowed: [0, 1, 2, 3] })).toEqual([0, 1]);
    expect(place({ threads: 2, allowed: [0, 1, 2, 3], taken: [0, 1] })).toEqual([2, 3]);
    expect(place({ threads: 3, allowed: [5, 9, 11, 40], taken: [9] })).toEqual([5, 11, 40]);
    expect(place({ threads: 2, allowed: [6, 7], taken: [0, 1, 2] })).toEqual([6, 7]);
  });

  it.each<[string, Wish, RegExp]>([
    ['one thread', { threads: 1, allowed: [0, 1] }, /one thread/],
    ['more threads than CPUs', { threads: 3, allowed: [0, 1] }, /more threads than CPUs/],
    ['too few left', { threads: 2, allowed: [0, 1, 2], taken: [1, 2] }, /have the CPUs/],
    ['a quota below the mask', { threads: 2, allowed: [0, 1, 2, 3], quota: 2 }, /control group/],
    ['others that are not seen', { threads: 2, allowed: [0, 1, 2, 3], unseen: true }, /unseen/],
    ['ATTUNE_PIN=0', { threads: 2, allowed: [0, 1, 2, 3], pin: '0' }, /ATTUNE_PIN=0/],
    ['no mask', { threads: 2, allowed: [] }, /more threads than CPUs/],
  ])('are left to the system with %s', (_name, wish, reason) => {
    expect(place(wish)).toMatch(reason);
  });

  it('are kept under a quota that pays for all, and under ATTUNE_PIN=1, which still takes none twice', () => {
    expect(place({ threads: 2, allowed: [0, 1], quota: 2 })).toEqual([0, 1]);
    expect(place({ threads: 2, allowed: [0, 1, 2], quota: 1, unseen: true, pin: '1' })).toEqual([0, 1]);
    expect(place({ threads: 2, allowed: [0, 1], taken: [0], pin: '1' })).toMatch(/have the CPUs/);
  });
});

describe('threads by default', () => {
  const scratch = scratchFolder();
  let number = 0;
  /** A machine whose control groups are these files. -> threads on 8 CPUs */
  const threads = (files: Record<string, string>) => {
    const root = join(scratch, String(number++));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return callKernel<{ threads: number }>('cpu_threads', { root, allowed: 8 }).threads;
  };
  const proc = 'proc/self/cgroup';
  const v1 = (folder: string, quota: number, period = 100000) => ({
    [`sys/fs/cgroup/${folder}/cpu.cfs_quota_us`]: `${quota}\n`,
    [`sys/fs/cgroup/${folder}/cpu.cfs_period_us`]: `${period}\n`,
  });

  it.each<[string, Record<string, string>, number]>([
    ['no control groups', {}, 8],
    ['version 2 without a bound', { [proc]: '0::/a\n', 'sys/fs/cgroup/a/cpu.max': 'max 100000\n' }, 8],
    ['version 2', { [proc]: '0::/a/b\n', 'sys/fs/cgroup/a/b/cpu.max': '300000 100000\n' }, 3],
    [
      'a group above',
      { [proc]: '0::/a/b\n', 'sys/fs/cgroup/a/cpu.max': '200000 100000\n', 'sys/fs/cgroup/a/b/cpu.max': 'max 100000\n' },
      2,
    ],
    ['the group of a container', { [proc]: '0::/\n', 'sys/fs/cgroup/cpu.max': '450000 100000\n' }, 4],
    ['less than one CPU', { [proc]: '0::/\n', 'sys/fs/cgroup/cpu.max': '50000 100000\n' }, 1],
    ['more than there are', { [proc]: '0::/\n', 'sys/fs/cgroup/cpu.max': '6400000 100000\n' }, 8],
    ['version 1', { [proc]: '3:cpuset:/x\n2:cpu,cpuacct:/a\n', ...v1('cpu,cpuacct/a', 250000, 50000) }, 5],
    ['version 1 under another name', { [proc]: '2:cpuacct,cpu:/a\n', ...v1('cpu/a', 200000) }, 2],
    ['version 1 without a bound', { [proc]: '1:cpu:/a\n', ...v1('cpu/a', -1) }, 8],
    ['version 1 in a container with the path of its host', { [proc]: '1:cpu:/docker/7\n0::/docker/7\n', ...v1('cpu', 100000) }, 1],
    ['both versions', { [proc]: '1:cpu:/a\n0::/b\n', ...v1('cpu/a', 300000), 'sys/fs/cgroup/b/cpu.max': '200000 100000\n' }, 2],
    ['files of something else', { [proc]: 'what\n::\n0::/a', 'sys/fs/cgroup/a/cpu.max': 'x y z' }, 8],
  ])('are as many as the quota pays for: %s', (_name, files, expected) => {
    expect(threads(files)).toBe(expected);
  });

  it.skipIf(!existsSync('/usr/bin/taskset'))('are no more than the affinity mask has CPUs', () => {
    const allowed = masks().get(String(process.pid))!;
    const first = allowed.split(/[,-]/)[0]!;
    const script = `console.log(require(${JSON.stringify(addonCandidates()[0])}).cpu.threads)`;
    expect(execFileSync('taskset', ['-c', first, process.execPath, '-e', script], { encoding: 'utf8' }).trim()).toBe('1');
  });
});

/** Which CPUs each thread of this process may run on, as the system lists them. */
const masks = () => {
  const folder = '/proc/self/task';
  const mask = (task: string) => /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync(`${folder}/${task}/status`, 'utf8'))![1]!;
  return new Map(readdirSync(folder).map((task) => [task, mask(task)]));
};

/** CPUs that teams of this process have claimed: bytes of the file that it has locked. */
function claims(): number {
  const folder = '/proc/self/fdinfo';
  const file = readdirSync('/proc/self/fd').find((fd) => linkOf(fd)?.endsWith('/attune-cpus'));
  const info = file === undefined ? '' : readFileSync(`${folder}/${file}`, 'utf8');
  // Neighbours are told as one range: "lock: 1: OFDLCK ADVISORY WRITE PID MAJOR:MINOR:INODE FIRST LAST".
  const ranges = [...info.matchAll(/^lock:.* (\d+) (\d+)$/gm)];
  return ranges.reduce((sum, [, first, last]) => sum + Number(last) - Number(first) + 1, 0);
}
const linkOf = (fd: string) => {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined; // the folder that is being listed
  }
};

describe.skipIf(process.platform !== 'linux' || addon().cpu.threads < 2)('two models of one process', () => {
  it('never have their threads pinned to the same CPU', async () => {
    const { network } = family('llama');
    const models = [];
    for (let i = 0; i < 3; i++)
      models.push(await load('llama', network, { dtype: 'f32', threads: 2, train: 'none', recomputeActivations: false }));
    const pinned = [...masks().values()].filter((mask) => /^\d+$/.test(mask));
    expect(new Set(pinned).size).toBe(pinned.length);
    for (const model of models) model.dispose();
  });

  it('claim CPUs while they live, and no longer', async () => {
    const { network } = family('llama');
    for (let i = 0; i < 3; i++) {
      const model = await load('llama', network, { dtype: 'f32', threads: 2, train: 'none', recomputeActivations: false });
      // None where another process has the CPUs, or where the system places the threads.
      expect([0, 2]).toContain(claims());
      model.dispose(); // what it held goes behind the call
      await vi.waitFor(() => expect(claims()).toBe(0), { timeout: 60_000 });
    }
  });

  it('are pinned by no setting but the three that there are', async () => {
    process.env.ATTUNE_PIN = 'yes';
    const { network } = family('llama');
    const loaded = load('llama', network, { dtype: 'f32', threads: 2, train: 'none', recomputeActivations: false });
    await expect(loaded).rejects.toThrow('ATTUNE_PIN: expected auto, 0 or 1, got yes');
    delete process.env.ATTUNE_PIN;
  });
});
