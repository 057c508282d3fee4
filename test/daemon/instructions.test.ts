/** Instructions of a Dockerfile, as `--change` takes them. */
import { describe, expect, it } from 'vitest';
import { applyInstructions, type Said } from '../../src/daemon/instructions.ts';

const apply = (...lines: string[]): Said => applyInstructions({ config: {} }, lines);
const config = (...lines: string[]): Said['config'] => apply(...lines).config;

describe('an instruction', () => {
  it.each([
    ['CMD ["/bin/sh", "-c", "a b"]', { Cmd: ['/bin/sh', '-c', 'a b'] }],
    ['cmd echo $HOME "x"', { Cmd: ['/bin/sh', '-c', 'echo $HOME "x"'] }],
    ['CMD [ -e /x ] && true', { Cmd: ['/bin/sh', '-c', '[ -e /x ] && true'] }],
    ['CMD []', { Cmd: [] }],
    ['ENTRYPOINT ["/init"]', { Entrypoint: ['/init'] }],
    ['ENTRYPOINT exec top', { Entrypoint: ['/bin/sh', '-c', 'exec top'] }],
    ['ENV A=b', { Env: ['A=b'] }],
    ['ENV A=b C="d e" F=g\\ h I=\'$A\'', { Env: ['A=b', 'C=d e', 'F=g h', 'I=$A'] }],
    ['ENV A b c  d', { Env: ['A=b c  d'] }],
    ['ENV A=', { Env: ['A='] }],
    ['EXPOSE 80 443/tcp 53/UDP', { ExposedPorts: { '80/tcp': {}, '443/tcp': {}, '53/udp': {} } }],
    ['EXPOSE 8000-8002', { ExposedPorts: { '8000/tcp': {}, '8001/tcp': {}, '8002/tcp': {} } }],
    ['USER 1000:users', { User: '1000:users' }],
    ['WORKDIR /a/../b', { WorkingDir: '/b' }],
    ['WORKDIR x y', { WorkingDir: '/x y' }],
    ['VOLUME /data /log', { Volumes: { '/data': {}, '/log': {} } }],
    ['VOLUME ["/a b"]', { Volumes: { '/a b': {} } }],
    ['STOPSIGNAL SIGQUIT', { StopSignal: 'SIGQUIT' }],
  ])('%s', (line, says) => {
    expect(config(line)).toEqual(says);
  });

  it('adds to what was said before, or replaces it', () => {
    expect(config('ENV A=1 B=2', 'ENV A=3')).toEqual({ Env: ['A=3', 'B=2'] });
    expect(config('WORKDIR /a', 'WORKDIR b')).toEqual({ WorkingDir: '/a/b' });
    expect(config('EXPOSE 1', 'EXPOSE 2').ExposedPorts).toEqual({ '1/tcp': {}, '2/tcp': {} });
    expect(apply('LABEL a=b', 'LABEL "c d"=e').carried).toEqual({ Labels: { a: 'b', 'c d': 'e' } });
    expect(apply('ONBUILD RUN x', 'ONBUILD ADD . /').carried).toEqual({ OnBuild: ['RUN x', 'ADD . /'] });
  });

  it('sees the environment of the image', () => {
    expect(config('ENV D=/data', 'WORKDIR $D/x')).toMatchObject({ WorkingDir: '/data/x' });
    expect(config('ENV A=1', 'ENV B=${A}2 C=${N:-n} D=${A:+yes}${N:+no} E=\\$A F=$ G=$N.')).toEqual({
      Env: ['A=1', 'B=12', 'C=n', 'D=yes', 'E=$A', 'F=$', 'G=.'],
    });
  });

  it('ENTRYPOINT forgets the command of the entry point before, not one that is given with it', () => {
    const before = { config: { Cmd: ['old'], Entrypoint: ['x'] } };
    expect(applyInstructions(before, ['ENTRYPOINT ["y"]']).config).toEqual({ Cmd: null, Entrypoint: ['y'] });
    expect(applyInstructions(before, ['CMD ["new"]', 'ENTRYPOINT ["y"]']).config).toEqual({
      Cmd: ['new'],
      Entrypoint: ['y'],
    });
  });

  it.each([
    ['', 'begins with none of'],
    ['RUN x', 'begins with none of'],
    ['constructor x', 'begins with none of'],
    ['CMD', 'says nothing'],
    ['CMD [ls]', 'written as JSON'],
    ['CMD ["a", 5]', 'consists of texts'],
    ['CMD ["a\\u0000b"]', 'consists of texts'],
    ['ENV A', 'NAME=VALUE'],
    ['ENV =b', 'not empty'],
    ['ENV A=b C', 'NAME=VALUE'],
    ['ENV A="b', 'not closed'],
    ['ENV A=${b', 'not closed'],
    ['EXPOSE 0', 'PORT'],
    ['EXPOSE 65536', 'PORT'],
    ['EXPOSE 9-8', 'PORT'],
    ['EXPOSE 80/icmp', 'PORT'],
    ['USER a b', 'one word'],
    ['VOLUME [""]', 'has a name'],
    ['STOPSIGNAL SIGNO', 'not a signal'],
    ['ONBUILD FROM x', 'may not follow'],
  ])('%j is refused, and the line is named', (line, rule) => {
    expect(() => apply('USER ok', line)).toThrow(
      expect.objectContaining({
        reason: 'bad-usage',
        message: expect.stringContaining(rule) as string,
      }) as Error,
    );
    expect(() => apply(line)).toThrow(JSON.stringify(line));
  });
});
