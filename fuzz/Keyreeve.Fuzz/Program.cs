using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Fuzz;

// Each target gets its share of the seconds. Mutations of seeds and of what was mutated before; a finding is written to a file
// that reproduces it: `Keyreeve.Fuzz TARGET FILE`.
var targets = new (string Name, IReadOnlyList<string> Seeds, Runner Run)[]
{
    (FormTarget.Name, FormTarget.Seeds, FormTarget.Fuzz),
    (JwsTarget.Name, JwsTarget.Seeds, JwsTarget.Fuzz),
    (JweTarget.Name, JweTarget.Seeds, JweTarget.Fuzz),
    (JwkTarget.Name, JwkTarget.Seeds, JwkTarget.Fuzz),
    (KpRequestTarget.Name, KpRequestTarget.Seeds, KpRequestTarget.Fuzz),
    (KmRequestTarget.Name, KmRequestTarget.Seeds, KmRequestTarget.Fuzz),
    (SmallTextTarget.Name, SmallTextTarget.Seeds, SmallTextTarget.Fuzz),
};
if (args is [var name, var file] && !int.TryParse(name, out _))
{
    targets.First(t => t.Name == name).Run(File.ReadAllBytes(file));
    Console.WriteLine("nothing found");
    return 0;
}
var seconds = args is [var text, ..] && int.TryParse(text, out var given) ? Math.Max(1, given) : 60;
var failed = false;
foreach (var (target, seeds, run) in targets)
{
    var pool = seeds.Select(Encoding.UTF8.GetBytes).ToList();
    var watch = Stopwatch.StartNew();
    long runs = 0;
    while (watch.Elapsed.TotalSeconds < (double)seconds / targets.Length)
    {
        var input = Mutate(pool[RandomNumberGenerator.GetInt32(pool.Count)]);
        runs++;
        try
        {
            run(input);
        }
#pragma warning disable CA1031 // finding any exception is what this program is for
        catch (Exception e)
#pragma warning restore CA1031
        {
            Directory.CreateDirectory("artifacts/fuzz");
            var path = $"artifacts/fuzz/{target}-{Convert.ToHexStringLower(SHA256.HashData(input)[..6])}";
            File.WriteAllBytes(path, input);
            Console.Error.WriteLine($"{target}: {e.GetType().Name}: {e.Message}\n  reproduce: dotnet run --project fuzz/Keyreeve.Fuzz -- {target} {path}");
            failed = true;
            break;
        }
        if (pool.Count < 2000 && runs % 50 == 0)
            pool.Add(input);
    }
    Console.WriteLine($"{target,-12} {runs,12:N0} inputs");
}
return failed ? 1 : 0;

static byte[] Mutate(byte[] seed)
{
    var data = seed.ToList();
    for (var n = RandomNumberGenerator.GetInt32(1, 5); n > 0; n--)
    {
        var at = data.Count == 0 ? 0 : RandomNumberGenerator.GetInt32(data.Count);
        switch (RandomNumberGenerator.GetInt32(6))
        {
            case 0 when data.Count > 0:
                data[at] = (byte)RandomNumberGenerator.GetInt32(256);
                break;
            case 1 when data.Count > 0:
                data[at] ^= (byte)(1 << RandomNumberGenerator.GetInt32(8));
                break;
            case 2 when data.Count > 0:
                data.RemoveRange(at, Math.Min(RandomNumberGenerator.GetInt32(1, 8), data.Count - at));
                break;
            case 3:
                data.InsertRange(at, RandomNumberGenerator.GetBytes(RandomNumberGenerator.GetInt32(1, 8)));
                break;
            case 4 when data.Count is > 0 and < 4096:
                data.InsertRange(at, data.GetRange(at, Math.Min(RandomNumberGenerator.GetInt32(1, 64), data.Count - at)));
                break;
            default:
                data.InsertRange(at, "\"{}[]:,.%&=+\\/-_"u8[RandomNumberGenerator.GetInt32(15)..].ToArray()[..1]);
                break;
        }
    }
    return [.. data];
}

internal delegate void Runner(ReadOnlySpan<byte> input);
